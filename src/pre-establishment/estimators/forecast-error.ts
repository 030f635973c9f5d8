/** How far forecasts of demand were off: the sum of their errors over the sum of demand, old ones counting less and less. */
import type { MonotonicMs } from "../../runtime/clock.ts";

const SPAN_MS = 10_000;
const DECAY_PER_SPAN = Math.exp(-1 / 6);

export class ForecastError {
  #spanEndsAt: MonotonicMs;
  #forecast: number | undefined;
  #asked = 0;
  #errors = 0;
  #sum = 0;

  constructor(now: MonotonicMs) {
    this.#spanEndsAt = now + SPAN_MS;
  }

  /** @param ratePerSecond  the rate as it is thought to be, before this demand */
  add(bytes: number, now: MonotonicMs, ratePerSecond: () => number): void {
    this.#turn(now, ratePerSecond);
    this.#asked += bytes;
  }

  /** 0 is perfect, 1 as good as no forecast; undefined before there was any demand. */
  ratio(now: MonotonicMs, ratePerSecond: () => number): number | undefined {
    this.#turn(now, ratePerSecond);
    return this.#sum === 0 ? undefined : this.#errors / this.#sum;
  }

  /** At the end of a span its forecast is judged. Spans that nobody looked at had no demand, and are left out. */
  #turn(now: MonotonicMs, ratePerSecond: () => number): void {
    if (now < this.#spanEndsAt) return;
    if (this.#forecast !== undefined) {
      this.#errors = this.#errors * DECAY_PER_SPAN + Math.abs(this.#forecast - this.#asked);
      this.#sum = this.#sum * DECAY_PER_SPAN + this.#asked;
    }
    this.#forecast = (ratePerSecond() * SPAN_MS) / 1_000;
    this.#asked = 0;
    this.#spanEndsAt = now + SPAN_MS;
  }
}
