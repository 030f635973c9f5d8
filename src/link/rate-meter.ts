/** How fast a running total grows, smoothed over about ten seconds. */
import type { Clock, MonotonicMs } from "../runtime/clock.ts";

const WINDOW_MS = 10_000;
const SAMPLE_MS_MIN = 500;

export class RateMeter {
  readonly #clock: Clock;
  readonly #total: () => number;
  #perSecond = 0;
  #seen: number;
  #seenAt: MonotonicMs;

  constructor(clock: Clock, total: () => number) {
    this.#clock = clock;
    this.#total = total;
    this.#seen = total();
    this.#seenAt = clock.monotonic();
  }

  perSecond(): number {
    const now = this.#clock.monotonic();
    const elapsed = now - this.#seenAt;
    if (elapsed >= SAMPLE_MS_MIN) {
      const total = this.#total();
      const weight = 1 - Math.exp(-elapsed / WINDOW_MS);
      this.#perSecond += weight * ((1000 * (total - this.#seen)) / elapsed - this.#perSecond);
      this.#seen = total;
      this.#seenAt = now;
    }
    return this.#perSecond;
  }
}
