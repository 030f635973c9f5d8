/**
 * A trusted node's side of a reservation: keeps pad for a relay that is to come, and asks the next hop to do the same.
 *
 * All hops or none: who refuses is named, and those before it let go. Nothing waits, nothing is durable, no pad is spent.
 * A neighbour that lies here, or asks for more than it uses, makes others wait for `RESERVATION_MS` at most.
 */
import type { NodeId, RelayId } from "../model/ids.ts";
import type { QkdLink } from "../link/qkd-link.ts";
import type { RelayRefusal, RelayReservation, RelayReservationAnswer } from "../peer/peer-messages.ts";
import type { Clock } from "../runtime/clock.ts";
import { RESERVATION_MS, type PadReservations } from "./pad-reservations.ts";
import type { PoolDirectory } from "./pool-directory.ts";
import type { PoolId } from "./pool-records.ts";
import { RELAY_BYTES_MAX } from "./relay-frame.ts";
import type { RelayMetrics } from "./relay-metrics.ts";
import { admitsShares, type SplitPolicy } from "./split-policy.ts";

/** Asked for and not answered yet, through this node. */
const ASKED_MAX = 128;

export interface ReservationHopParts {
  readonly self: NodeId;
  readonly links: ReadonlyMap<NodeId, QkdLink>;
  readonly pools: PoolDirectory;
  readonly reservations: PadReservations;
  readonly clock: Clock;
  readonly metrics: RelayMetrics;
  readonly inboundPoolBytesMax: number;
  /** Undefined where one route is enough. */
  readonly splitOf: (pool: PoolId) => SplitPolicy | undefined;
  readonly draining: () => boolean;
}

interface Asked {
  readonly from: QkdLink;
  readonly to: QkdLink;
  readonly cancelExpiry: () => void;
}

export class ReservationHop {
  readonly #parts: ReservationHopParts;
  readonly #asked = new Map<RelayId, Asked>();

  constructor(parts: ReservationHopParts) {
    this.#parts = parts;
  }

  request(from: QkdLink, message: RelayReservation): void {
    const [here, next] = message.route;
    if (here !== this.#parts.self || message.totalBytes > RELAY_BYTES_MAX) {
      return this.#refuse(from, message.relay, "not-admitted");
    }
    if (this.#parts.draining()) return this.#refuse(from, message.relay, "draining");
    if (next === undefined) return this.#admit(from, message);
    const refusal = this.#passOn(from, next, message);
    if (refusal !== undefined) this.#refuse(from, message.relay, refusal);
  }

  /** @returns false when this node asked for nothing of that name there */
  answer(link: QkdLink, answer: RelayReservationAnswer): boolean {
    const asked = this.#asked.get(answer.relay);
    if (asked?.to !== link) return false;
    this.#forget(answer.relay, asked);
    if (answer.outcome.kind === "refused") this.#parts.reservations.release(answer.relay);
    this.#count("transit", answer.outcome.kind === "refused" ? answer.outcome.reason : "granted");
    asked.from.send(answer);
    return true;
  }

  down(link: QkdLink): void {
    for (const [relay, asked] of [...this.#asked]) {
      if (asked.from !== link && asked.to !== link) continue;
      this.#forget(relay, asked);
      this.#parts.reservations.release(relay);
      if (asked.to === link) this.#refuse(asked.from, relay, "unreachable");
    }
  }

  close(): void {
    for (const [relay, asked] of [...this.#asked]) this.#forget(relay, asked);
  }

  #passOn(from: QkdLink, next: NodeId, message: RelayReservation): RelayRefusal | undefined {
    const { links, reservations, clock } = this.#parts;
    const { relay, totalBytes, urgency } = message;
    const to = links.get(next);
    if (to === undefined || to === from) return "not-admitted";
    if (!to.up) return "unreachable";
    if (this.#asked.size >= ASKED_MAX) return "busy";
    const refusal = reservations.reserve(relay, to, totalBytes, urgency);
    if (refusal !== undefined) return refusal;
    if (!to.send({ ...message, route: message.route.slice(1) })) {
      reservations.release(relay);
      return "busy";
    }
    const cancelExpiry = clock.after(RESERVATION_MS, () => this.#asked.delete(relay));
    this.#asked.set(relay, { from, to, cancelExpiry });
    return undefined;
  }

  /** The destination reserves nothing: it has room, or has not. */
  #admit(from: QkdLink, { relay, origin, keyClass, shares }: RelayReservation): void {
    const { pools, splitOf } = this.#parts;
    const pool = pools.inboundPool(origin, keyClass);
    if (pool === undefined || !admitsShares(splitOf(pool.id), Math.max(1, shares)))
      return this.#refuse(from, relay, "not-admitted");
    if (pool.isFull(this.#parts.inboundPoolBytesMax)) return this.#refuse(from, relay, "busy");
    this.#count("destination", "granted");
    from.send({ kind: "relay-reservation-answer", relay, outcome: { kind: "granted" } });
  }

  #refuse(from: QkdLink, relay: RelayId, reason: RelayRefusal): void {
    this.#count("hop", reason);
    const outcome = { kind: "refused", reason, atHop: this.#parts.self } as const;
    from.send({ kind: "relay-reservation-answer", relay, outcome });
  }

  #forget(relay: RelayId, { cancelExpiry }: Asked): void {
    this.#asked.delete(relay);
    cancelExpiry();
  }

  #count(role: string, result: string): void {
    this.#parts.metrics.reservations.add({ role, result });
  }
}
