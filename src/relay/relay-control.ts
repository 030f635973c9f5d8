/** End-to-end control: live sets and holdings, passed on along routes. All of it can only burn. */
import { isQkdError } from "../model/errors.ts";
import { parseKeyClass, type Incarnation, type NodeId } from "../model/ids.ts";
import type { QkdLink } from "../link/qkd-link.ts";
import type { Control, ControlBody } from "../peer/peer-messages.ts";
import type { Clock, MonotonicMs } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Router } from "../topology/router.ts";
import type { PoolDirectory } from "./pool-directory.ts";

const REPEAT_MS = 15_000;

export interface RelayControlParts {
  readonly self: NodeId;
  readonly incarnation: Incarnation;
  readonly router: Router;
  readonly links: ReadonlyMap<NodeId, QkdLink>;
  readonly pools: PoolDirectory;
  readonly clock: Clock;
  readonly log: Logger;
}

export class RelayControl {
  readonly #parts: RelayControlParts;
  /** When each remote node is to be told again: a message that a transit node lost is said anew. */
  readonly #due = new Map<NodeId, MonotonicMs>();

  constructor(parts: RelayControlParts) {
    this.#parts = parts;
    for (const { id } of parts.pools.inbound) this.#due.set(id.remote, 0);
  }

  /** Tells remote nodes what this node holds and what it may still allocate: as soon as they can be reached, then again. */
  tellAll(): void {
    const now = this.#parts.clock.monotonic();
    for (const [remote, due] of this.#due) {
      if (now < due) continue;
      const told = this.#send(remote, this.#holdings(remote)) && this.#send(remote, this.#liveSet(remote));
      if (told) this.#due.set(remote, now + REPEAT_MS);
    }
  }

  async receive(link: QkdLink, control: Control): Promise<void> {
    const [here, next] = control.route;
    if (here !== this.#parts.self) return;
    if (next !== undefined) {
      this.#parts.links.get(next)?.send({ ...control, route: control.route.slice(1) });
      return;
    }
    try {
      await this.#apply(control.origin, control.body);
    } catch (failure) {
      if (!isQkdError(failure, "CONFIG_INVALID", "REQUEST_INVALID")) throw failure;
      this.#parts.log.warn("malformed control message", { link: link.id, origin: control.origin });
    }
  }

  async #apply(origin: NodeId, body: ControlBody): Promise<void> {
    const { pools } = this.#parts;
    for (const { keyClass, segments } of body.pools) {
      const named = parseKeyClass(keyClass);
      if (body.kind === "live-set") pools.inboundPool(origin, named)?.told(segments);
      else await pools.outboundPool(origin, named)?.targetHolds(segments, body.incarnation);
    }
  }

  #holdings(remote: NodeId): ControlBody {
    const { pools, incarnation } = this.#parts;
    const held = pools.inboundPools(remote).map((pool) => ({ keyClass: pool.id.keyClass, segments: pool.holdings() }));
    return { kind: "holdings", incarnation, pools: held };
  }

  #liveSet(remote: NodeId): ControlBody {
    const live = this.#parts.pools.outbound.filter(({ id }) => id.remote === remote);
    const pools = live.map((pool) => ({ keyClass: pool.id.keyClass, segments: pool.liveRuns() }));
    return { kind: "live-set", pools };
  }

  #send(remote: NodeId, body: ControlBody): boolean {
    const route = this.#parts.router.route(remote);
    const link = route === undefined ? undefined : this.#parts.links.get(route[0]);
    return route !== undefined && link?.send({ kind: "control", origin: this.#parts.self, route, body }) === true;
  }
}
