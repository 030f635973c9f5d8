/** A rate, smoothed: what came counts fully at first, and less and less as time goes by. */
import type { MonotonicMs } from "../../runtime/clock.ts";

/** Younger than this, an estimate pretends to be this old: one early request is no storm. */
const AGE_MIN_MS = 1_000;

export class RateEstimate {
  readonly #timeConstantMs: number;
  readonly #since: MonotonicMs;
  #sum = 0;
  #at: MonotonicMs;

  constructor(timeConstantMs: number, now: MonotonicMs) {
    this.#timeConstantMs = timeConstantMs;
    this.#since = now;
    this.#at = now;
  }

  add(amount: number, now: MonotonicMs): void {
    this.#age(now);
    this.#sum += amount;
  }

  /** Without bias from the first second on: a young estimate is divided by the little time that it has seen. */
  perSecond(now: MonotonicMs): number {
    this.#age(now);
    const seen = 1 - Math.exp(-Math.max(AGE_MIN_MS, now - this.#since) / this.#timeConstantMs);
    return (1_000 * this.#sum) / (this.#timeConstantMs * seen);
  }

  #age(now: MonotonicMs): void {
    this.#sum *= Math.exp(-(now - this.#at) / this.#timeConstantMs);
    this.#at = now;
  }
}
