/** The largest, or smallest, of what was seen lately: within the present period or the one before it. */
import type { MonotonicMs } from "../../runtime/clock.ts";

export class RecentExtreme {
  readonly #periodMs: number;
  readonly #pick: (one: number, other: number) => number;
  #period = -1;
  #present: number | undefined;
  #before: number | undefined;

  /** @param pick  `Math.max` or `Math.min` */
  constructor(periodMs: number, pick: (one: number, other: number) => number) {
    this.#periodMs = periodMs;
    this.#pick = pick;
  }

  add(value: number, now: MonotonicMs): void {
    this.#turn(now);
    this.#present = this.#present === undefined ? value : this.#pick(this.#present, value);
  }

  /** Undefined when there was nothing lately. */
  value(now: MonotonicMs): number | undefined {
    this.#turn(now);
    if (this.#before === undefined || this.#present === undefined) return this.#present ?? this.#before;
    return this.#pick(this.#present, this.#before);
  }

  #turn(now: MonotonicMs): void {
    const period = Math.floor(now / this.#periodMs);
    if (period === this.#period) return;
    this.#before = period === this.#period + 1 ? this.#present : undefined;
    this.#present = undefined;
    this.#period = period;
  }
}
