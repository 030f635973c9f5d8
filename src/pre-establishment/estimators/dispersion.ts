/**
 * The index of dispersion of demand: the variance of what is asked for in a short slot of time, over its mean.
 *
 * Single keys at random moments give the size of a key; requests for ten keys, or ten requests at once, give ten times that.
 * The slots are short against a lead time: bursts that last longer are seen by the rates and by the largest window.
 */
import type { MonotonicMs } from "../../runtime/clock.ts";

const SLOT_MS = 20;

export class DispersionEstimate {
  readonly #decayPerSlot: number;
  #slot: number;
  #slotBytes = 0;
  #weight = 0;
  #sum = 0;
  #sumOfSquares = 0;

  constructor(timeConstantMs: number, now: MonotonicMs) {
    this.#decayPerSlot = Math.exp(-SLOT_MS / timeConstantMs);
    this.#slot = Math.floor(now / SLOT_MS);
  }

  add(bytes: number, now: MonotonicMs): void {
    this.#advance(now);
    this.#slotBytes += bytes;
  }

  /** In bytes; 0 while nothing was asked for. */
  clumpBytes(now: MonotonicMs): number {
    this.#advance(now);
    if (this.#sum <= 0) return 0;
    return Math.max(0, this.#sumOfSquares / this.#sum - this.#sum / this.#weight);
  }

  #advance(now: MonotonicMs): void {
    const slots = Math.floor(now / SLOT_MS) - this.#slot;
    if (slots <= 0) return;
    this.#slot += slots;
    // the slot that ended, and the empty ones behind it
    const decay = this.#decayPerSlot ** slots;
    const first = this.#decayPerSlot ** (slots - 1);
    this.#sum = this.#sum * decay + first * this.#slotBytes;
    this.#sumOfSquares = this.#sumOfSquares * decay + first * this.#slotBytes ** 2;
    this.#weight = this.#weight * decay + (1 - decay) / (1 - this.#decayPerSlot);
    this.#slotBytes = 0;
  }
}
