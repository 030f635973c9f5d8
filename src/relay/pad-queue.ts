/** Where the origin's relays wait for pad towards their first hop: on-demand before refill, else in the order of coming. */
import type { RelayId } from "../model/ids.ts";
import type { QkdLink } from "../link/qkd-link.ts";
import { Bell } from "../runtime/bell.ts";
import type { PadReservations, RelayUrgency } from "./pad-reservations.ts";

interface Place {
  readonly urgency: RelayUrgency;
  readonly bell: Bell;
}

export class PadQueue {
  readonly #reservations: PadReservations;
  readonly #places = new Map<QkdLink, Place[]>();

  constructor(reservations: PadReservations) {
    this.#reservations = reservations;
  }

  /**
   * Waits until pad for the relay is there, and reserves it.
   *
   * @returns why it was given up: the deadline came, or the link went, first
   */
  async reserve(
    relay: RelayId,
    link: QkdLink,
    { bytes, urgency }: { readonly bytes: number; readonly urgency: RelayUrgency },
    deadline: AbortSignal,
  ): Promise<"no-pad" | "unreachable" | undefined> {
    const places = this.#places.get(link) ?? [];
    this.#places.set(link, places);
    const place = { urgency, bell: new Bell() };
    const behind = places.findIndex((other) => urgency === "on-demand" && other.urgency === "refill");
    places.splice(behind < 0 ? places.length : behind, 0, place);
    try {
      for (;;) {
        if (!link.up) return "unreachable";
        if (deadline.aborted) return "no-pad";
        if (places[0] === place && this.#reservations.reserve(relay, link, bytes, urgency) === undefined) {
          return undefined;
        }
        await place.bell.heard(deadline);
      }
    } finally {
      places.splice(places.indexOf(place), 1);
      places[0]?.bell.ring();
    }
  }

  /** More pad than before is free towards a neighbour. */
  padsAvailable(link: QkdLink): void {
    this.#places.get(link)?.[0]?.bell.ring();
  }

  down(link: QkdLink): void {
    for (const { bell } of this.#places.get(link) ?? []) bell.ring();
  }
}
