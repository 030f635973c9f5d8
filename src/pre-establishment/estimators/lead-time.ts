/**
 * How long a relay takes until its key is usable at both ends: mean and mean deviation, as TCP keeps them of its round trips
 * (RFC 6298). Only relays that brought key count, from the moment when their pad was there: how long pad is missing is another
 * matter, which no stock can cure. Were it counted, scarce links would make all pools grow.
 */

const MEAN_GAIN = 1 / 8;
const DEVIATION_GAIN = 1 / 4;
const DEVIATIONS = 4;
/** Before the first relay. */
const UNKNOWN_MS = 200;
const BOUND_MS_MAX = 5_000;

export class LeadTimeEstimate {
  #meanMs = 0;
  #deviationMs = 0;
  #samples = 0;

  add(durationMs: number): void {
    if (this.#samples === 0) {
      this.#meanMs = durationMs;
      this.#deviationMs = durationMs / 2;
    } else {
      this.#deviationMs += DEVIATION_GAIN * (Math.abs(durationMs - this.#meanMs) - this.#deviationMs);
      this.#meanMs += MEAN_GAIN * (durationMs - this.#meanMs);
    }
    this.#samples += 1;
  }

  /** Undefined before the first relay. */
  get meanMs(): number | undefined {
    return this.#samples === 0 ? undefined : this.#meanMs;
  }

  /** Hardly any relay takes longer. */
  get boundMs(): number {
    if (this.#samples === 0) return UNKNOWN_MS;
    return Math.min(BOUND_MS_MAX, this.#meanMs + DEVIATIONS * this.#deviationMs);
  }
}
