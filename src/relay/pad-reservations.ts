/**
 * Pad that is spoken for: who reserved how much of the open pad towards each neighbour, for a short while.
 *
 * A reservation binds no bytes, only amounts, and only in memory: it is soft. It keeps a relay from burning pad on a route that
 * cannot carry it. What is reserved for refilling is still free for on-demand relays, which overtake.
 */
import type { RelayId } from "../model/ids.ts";
import type { QkdLink } from "../link/qkd-link.ts";
import type { Clock, MonotonicMs } from "../runtime/clock.ts";

/** on-demand: someone waits for it. refill: ahead of need. On-demand overtakes all refilling. */
export type RelayUrgency = "on-demand" | "refill";

/** Longer than any answer along a route takes, short enough that a lost relay blocks nobody for long. */
export const RESERVATION_MS: MonotonicMs = 3_000;
/** At this node, for all relays that go through it or begin here. */
const RESERVATIONS_MAX = 256;

/** What the frames of a relay cost beyond its payload: their tags, when it is split over several pads. */
const FRAME_OVERHEAD_BYTES = 64;

interface Reservation {
  readonly link: QkdLink;
  readonly urgency: RelayUrgency;
  /** What is still to be spent. */
  bytes: number;
  cancelExpiry: () => void;
}

/** Who lacks pad is seldom alone. */
const MISSING_TWICE = 2;

type ReservedLink = Pick<QkdLink, "padBytesAvailable">;

export class PadReservations {
  readonly #clock: Clock;
  readonly #onFreed: (link: QkdLink) => void;
  readonly #held = new Map<RelayId, Reservation>();

  /** @param onFreed  called when pad towards a neighbour is free again that was reserved */
  constructor(clock: Clock, onFreed: (link: QkdLink) => void) {
    this.#clock = clock;
    this.#onFreed = onFreed;
  }

  /** Payload for which nobody with a better or equal claim has reserved the pad. */
  freeBytes(link: ReservedLink, urgency: RelayUrgency): number {
    let bytes = link.padBytesAvailable();
    for (const held of this.#held.values()) {
      const claims = urgency === "refill" || held.urgency === "on-demand";
      if (held.link === link && claims) bytes -= held.bytes;
    }
    return Math.max(0, bytes - FRAME_OVERHEAD_BYTES);
  }

  /**
   * Reserves pad for a relay, until it is released or `RESERVATION_MS` are over.
   *
   * @returns what is in the way: nothing is reserved then
   */
  reserve(relay: RelayId, link: QkdLink, bytes: number, urgency: RelayUrgency): "no-pad" | "busy" | undefined {
    if (this.#held.size >= RESERVATIONS_MAX || this.#held.has(relay)) return "busy";
    const freeBytes = this.freeBytes(link, urgency);
    if (freeBytes < bytes) {
      link.wantPad(link.padBytesAvailable() + MISSING_TWICE * (bytes - freeBytes));
      return "no-pad";
    }
    const cancelExpiry = this.#clock.after(RESERVATION_MS, () => this.release(relay));
    this.#held.set(relay, { link, urgency, bytes: bytes + FRAME_OVERHEAD_BYTES, cancelExpiry });
    return undefined;
  }

  /**
   * The relay itself is here: from now on its pad stays reserved until `release`. A relay without a reservation, or whose
   * reservation is over, gets what nobody has reserved.
   *
   * @returns false when the pad is not there any more: on-demand relays took it
   */
  claim(relay: RelayId, link: QkdLink, bytes: number): boolean {
    const held = this.#held.get(relay);
    if (held === undefined) {
      if (this.reserve(relay, link, bytes, "refill") !== undefined) return false;
      this.#held.get(relay)!.cancelExpiry();
      return true;
    }
    held.cancelExpiry();
    if (held.link === link && held.bytes >= bytes && link.padBytesAvailable() >= bytes) return true;
    this.release(relay);
    return false;
  }

  spent(relay: RelayId, bytes: number): void {
    const held = this.#held.get(relay);
    if (held !== undefined) held.bytes = Math.max(0, held.bytes - bytes);
  }

  release(relay: RelayId): void {
    const held = this.#held.get(relay);
    if (held === undefined) return;
    this.#held.delete(relay);
    held.cancelExpiry();
    this.#onFreed(held.link);
  }

  /** The neighbour is lost: so is the pad that was open. */
  down(link: QkdLink): void {
    for (const [relay, held] of [...this.#held]) if (held.link === link) this.release(relay);
  }
}
