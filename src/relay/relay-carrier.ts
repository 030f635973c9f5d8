/**
 * Carries one payload along one route: waits for pad, asks the hops to keep theirs, sends, and waits for the answer.
 *
 * **The origin draws the ciphertext, not the key**: `c` is random and the relayed key is `c XOR pad`. So the key is as secret as
 * the link's key, and does not depend on how good the operating system's generator is.
 */
import type { KeyClass, NodeId, RelayId } from "../model/ids.ts";
import type { KeyMaterial } from "../model/key-material.ts";
import type { QkdLink } from "../link/qkd-link.ts";
import type { RelayAnswer, RelayRefusal, RelayReservationAnswer } from "../peer/peer-messages.ts";
import type { Clock, MonotonicMs } from "../runtime/clock.ts";
import { randomName, type Random } from "../runtime/random.ts";
import type { Route } from "../topology/router.ts";
import { PadQueue } from "./pad-queue.ts";
import { RESERVATION_MS, type PadReservations, type RelayUrgency } from "./pad-reservations.ts";
import { encodeRelayHeader } from "./relay-frame.ts";
import type { RelayMetrics } from "./relay-metrics.ts";

const FRAME_PAYLOAD_BYTES_MAX = 60_000;
/** Who waits for a key cannot wait for a node that stands still: the time is enough for another way. */
export const ON_DEMAND_ANSWER_MS: MonotonicMs = 1_000;
/** How long a relay may be under way after the origin has sent it; the transit nodes forget it then. */
export const TIME_LEFT_MS: MonotonicMs = 10_000;

export interface RelayRefused {
  readonly kind: "refused";
  readonly reason: RelayRefusal | "proof-wrong";
  readonly atHop: NodeId;
}

/** What is to be carried. */
export interface Cargo {
  readonly keyClass: KeyClass;
  readonly urgency: RelayUrgency;
  readonly totalBytes: number;
  /** Of which the key is the XOR, this cargo being one. */
  readonly shares: number;
}

/** All hops of a route keep pad for a relay, for a short while. */
export interface Carriage {
  readonly kind: "reserved";
  readonly relay: RelayId;
  readonly route: Route;
  readonly link: QkdLink;
  readonly reservedAt: MonotonicMs;
}

export interface RelayCarrierParts {
  readonly self: NodeId;
  readonly links: ReadonlyMap<NodeId, QkdLink>;
  readonly reservations: PadReservations;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: RelayMetrics;
}

/** What is awaited of the next hop, by the name of the relay. */
interface Awaited<Outcome> {
  readonly link: QkdLink;
  readonly settle: (outcome: Outcome | Refused) => void;
}

type Refused = Extract<RelayAnswer["outcome"], { kind: "refused" }>;

export class RelayCarrier {
  readonly #parts: RelayCarrierParts;
  readonly #sent = new Map<RelayId, Awaited<RelayAnswer["outcome"]>>();
  readonly #reserving = new Map<RelayId, Awaited<RelayReservationAnswer["outcome"]>>();
  readonly #queue: PadQueue;

  constructor(parts: RelayCarrierParts) {
    this.#parts = parts;
    this.#queue = new PadQueue(parts.reservations);
  }

  get underWay(): number {
    return this.#sent.size + this.#reserving.size;
  }

  answer(link: QkdLink, { relay, outcome }: RelayAnswer): boolean {
    const sent = this.#sent.get(relay);
    if (sent?.link !== link) return false;
    sent.settle(outcome);
    return true;
  }

  reservationAnswer(link: QkdLink, { relay, outcome }: RelayReservationAnswer): boolean {
    const asked = this.#reserving.get(relay);
    if (asked?.link !== link) return false;
    asked.settle(outcome);
    return true;
  }

  padsAvailable(link: QkdLink): void {
    this.#queue.padsAvailable(link);
  }

  down(link: QkdLink): void {
    for (const awaited of [...this.#sent.values(), ...this.#reserving.values()]) {
      if (awaited.link === link) awaited.settle(this.refusedHere("unreachable"));
    }
    this.#queue.down(link);
  }

  refusedHere<Reason extends RelayRefusal>(reason: Reason): { kind: "refused"; reason: Reason; atHop: NodeId } {
    return { kind: "refused", reason, atHop: this.#parts.self };
  }

  /** Waits for pad towards the first hop and asks all others to keep theirs. `release` what is returned, however it went on. */
  async reserve(route: Route, cargo: Cargo, deadline: AbortSignal): Promise<Carriage | Refused> {
    const { links, clock, random, reservations } = this.#parts;
    const link = links.get(route[0]);
    if (link?.up !== true) return this.refusedHere("unreachable");
    const relay = randomName(random, 16) as RelayId;
    const demand = { bytes: cargo.totalBytes, urgency: cargo.urgency };
    const refused = await this.#queue.reserve(relay, link, demand, deadline);
    if (refused !== undefined) return this.refusedHere(refused);
    const carriage: Carriage = { kind: "reserved", relay, route, link, reservedAt: clock.monotonic() };
    if (route.length === 1) return carriage;
    try {
      const onward = await this.#reserveOnward(carriage, cargo, deadline);
      if (onward.kind === "granted") return carriage;
      reservations.release(relay);
      return onward;
    } catch (failure) {
      reservations.release(relay);
      throw failure;
    }
  }

  release({ relay }: Carriage): void {
    this.#parts.reservations.release(relay);
  }

  /**
   * Draws the payload, which the caller owns and erases, and sends it.
   *
   * @param plan  as the frames carry it
   */
  async send(
    { relay, link }: Carriage,
    plan: Uint8Array,
    payload: KeyMaterial,
    deadline: AbortSignal,
  ): Promise<RelayAnswer["outcome"]> {
    const { promise, resolve } = Promise.withResolvers<RelayAnswer["outcome"]>();
    this.#sent.set(relay, { link, settle: resolve });
    const giveUp = (): void => resolve(this.refusedHere("deadline"));
    deadline.addEventListener("abort", giveUp, { once: true });
    try {
      if (deadline.aborted) giveUp();
      else if (!this.#sendFrames(relay, plan, payload, link)) resolve(this.refusedHere("busy"));
      this.#parts.reservations.release(relay); // its pad is spent
      return await promise;
    } finally {
      deadline.removeEventListener("abort", giveUp);
      this.#sent.delete(relay);
    }
  }

  /** Asks all hops to keep pad: a route that cannot carry the relay costs none then. */
  async #reserveOnward(
    { relay, route, link }: Carriage,
    cargo: Cargo,
    deadline: AbortSignal,
  ): Promise<RelayReservationAnswer["outcome"]> {
    const { clock, self } = this.#parts;
    const { promise, resolve } = Promise.withResolvers<RelayReservationAnswer["outcome"]>();
    const giveUp = (): void => resolve(this.refusedHere("deadline"));
    const request = { kind: "relay-reservation", relay, origin: self, route, ...cargo } as const;
    if (!link.send(request)) return this.refusedHere("busy");
    this.#reserving.set(relay, { link, settle: resolve });
    const cancelTimer = clock.after(cargo.urgency === "on-demand" ? ON_DEMAND_ANSWER_MS : RESERVATION_MS, giveUp);
    deadline.addEventListener("abort", giveUp, { once: true });
    try {
      return await promise;
    } finally {
      this.#reserving.delete(relay);
      cancelTimer();
      deadline.removeEventListener("abort", giveUp);
    }
  }

  /** @returns false when pad or line ended in the middle: what was sent of it is lost */
  #sendFrames(relay: RelayId, plan: Uint8Array, payload: KeyMaterial, link: QkdLink): boolean {
    const { random, metrics } = this.#parts;
    const totalBytes = payload.lengthBytes;
    for (let offset = 0; offset < totalBytes;) {
      const from = offset;
      const header = (): Uint8Array =>
        encodeRelayHeader({
          relay,
          payloadOffset: from,
          totalBytes,
          timeLeftMs: TIME_LEFT_MS,
          plan: from === 0 ? plan : new Uint8Array(0),
        });
      const frame = link.seal(Math.min(FRAME_PAYLOAD_BYTES_MAX, totalBytes - from), header, (ciphertext, pad) => {
        random.fill(ciphertext as Uint8Array<ArrayBuffer>);
        payload.expose((key) => {
          for (let i = 0; i < pad.length; i++) key[from + i] = ciphertext[i]! ^ pad[i]!;
        });
      });
      if (frame === undefined || !link.send({ kind: "frame", bytes: frame.bytes })) return false;
      metrics.frames.add({ role: "origin" });
      offset += frame.payloadBytes;
    }
    return true;
  }
}
