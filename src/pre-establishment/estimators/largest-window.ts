/** The most that was asked for within any stretch of one lead time, not long ago: what a stock has met, it may meet again. */
import type { MonotonicMs } from "../../runtime/clock.ts";

const CELL_MS = 10;
const CELLS = 512;
/** A longer window is measured as this one. */
export const WINDOW_MS_MAX = CELL_MS * (CELLS - 2);

export class LargestWindow {
  readonly #decayMs: number;
  readonly #cells = new Float64Array(CELLS);
  #cell: number;
  #largest = 0;
  #at: MonotonicMs;

  /** @param decayMs  the largest window of old fades with this time constant */
  constructor(decayMs: number, now: MonotonicMs) {
    this.#decayMs = decayMs;
    this.#cell = Math.floor(now / CELL_MS);
    this.#at = now;
  }

  add(bytes: number, now: MonotonicMs, windowMs: number): void {
    this.#advance(now);
    this.#cells[this.#cell % CELLS]! += bytes;
    let sum = 0;
    const cells = Math.ceil(Math.min(windowMs, WINDOW_MS_MAX) / CELL_MS);
    for (let back = 0; back <= cells; back++) sum += this.#cells[(this.#cell - back + CELLS) % CELLS]!;
    this.#largest = Math.max(this.bytes(now), sum);
    this.#at = now;
  }

  bytes(now: MonotonicMs): number {
    return this.#largest * Math.exp(-(now - this.#at) / this.#decayMs);
  }

  #advance(now: MonotonicMs): void {
    const cell = Math.floor(now / CELL_MS);
    for (let next = Math.max(this.#cell + 1, cell - CELLS + 1); next <= cell; next++) this.#cells[next % CELLS] = 0;
    this.#cell = cell;
  }
}
