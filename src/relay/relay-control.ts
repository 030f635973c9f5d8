/** End-to-end control: live sets and holdings, passed on along routes. All of it can only burn. */
import { isQkdError } from "../model/errors.ts";
import { parseKeyClass, type Incarnation, type NodeId } from "../model/ids.ts";
import type { QkdLink } from "../link/qkd-link.ts";
import type { Control, ControlBody } from "../peer/peer-messages.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Router } from "../topology/router.ts";
import type { PoolDirectory } from "./pool-directory.ts";

export interface RelayControlParts {
  readonly self: NodeId;
  readonly incarnation: Incarnation;
  readonly router: Router;
  readonly links: ReadonlyMap<NodeId, QkdLink>;
  readonly pools: PoolDirectory;
  readonly log: Logger;
}

export class RelayControl {
  readonly #parts: RelayControlParts;
  /** Remote nodes that have not been told, in this life, what we hold and may still allocate from. */
  readonly #untold: Set<NodeId>;

  constructor(parts: RelayControlParts) {
    this.#parts = parts;
    this.#untold = new Set(parts.pools.inbound.map(({ id }) => id.remote));
  }

  /** Tells each remote node, once a life and as soon as it can be reached, what this node holds and what it may allocate. */
  tellAll(): void {
    for (const remote of [...this.#untold]) {
      const told = this.#send(remote, this.#holdings(remote)) && this.#send(remote, this.#liveSet(remote));
      if (told) this.#untold.delete(remote);
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
