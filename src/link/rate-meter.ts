/** How fast a running total grows, smoothed. */
import type { Clock, MonotonicMs } from "../runtime/clock.ts";

const WINDOW_MS_DEFAULT = 10_000;
/** More samples than this in a window would measure the clock. */
const SAMPLES_PER_WINDOW = 20;

export class RateMeter {
  readonly #clock: Clock;
  readonly #total: () => number;
  readonly #windowMs: number;
  #perSecond = 0;
  #seen: number;
  #seenAt: MonotonicMs;

  /** @param windowMs  what lies further back counts little */
  constructor(clock: Clock, total: () => number, windowMs = WINDOW_MS_DEFAULT) {
    this.#clock = clock;
    this.#total = total;
    this.#windowMs = windowMs;
    this.#seen = total();
    this.#seenAt = clock.monotonic();
  }

  perSecond(): number {
    const now = this.#clock.monotonic();
    const elapsed = now - this.#seenAt;
    if (elapsed >= this.#windowMs / SAMPLES_PER_WINDOW) {
      const total = this.#total();
      const weight = 1 - Math.exp(-elapsed / this.#windowMs);
      this.#perSecond += weight * ((1000 * (total - this.#seen)) / elapsed - this.#perSecond);
      this.#seen = total;
      this.#seenAt = now;
    }
    return this.#perSecond;
  }
}
