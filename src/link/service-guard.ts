/**
 * Takes something out of service that fails too often, and puts it back after a while: automatically, because many nodes
 * stand where nobody is, and each failure costs only what failed. Whoever knows that it is mended releases it at once.
 *
 * Out: `IN_ROW_MAX` failures in a row, or `FAILURES_MAX` among the last `LOOKED_AT` outcomes. Back in service it is on trial:
 * its first failure puts it out again, for twice as long, until `TRIAL` outcomes in a row were good.
 */
import { MINUTE_MS, SECOND_MS } from "../model/units.ts";
import type { Clock, MonotonicMs } from "../runtime/clock.ts";

export const IN_ROW_MAX = 3;
const LOOKED_AT = 64;
const FAILURES_MAX = 8;
const TRIAL = 16;
const OUT_MIN_MS = 15 * SECOND_MS;
const OUT_MAX_MS = 30 * MINUTE_MS;

export interface OutOfService {
  readonly reason: string;
  /** When it is tried again. */
  readonly until: MonotonicMs;
}

export class ServiceGuard {
  readonly #clock: Clock;
  /** The last outcomes, true for good. */
  #outcomes: boolean[] = [];
  #out: OutOfService | undefined;
  #outMs = OUT_MIN_MS;
  #onTrial = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Undefined while it is in service. */
  get out(): OutOfService | undefined {
    if (this.#out !== undefined && this.#clock.monotonic() >= this.#out.until) this.#returned(true);
    return this.#out;
  }

  good(): void {
    if (this.out !== undefined) return; // begun before it was taken out
    this.#note(true);
    if (this.#onTrial && this.#outcomes.length >= TRIAL) {
      this.#onTrial = false;
      this.#outMs = OUT_MIN_MS;
    }
  }

  /** @returns whether it is out of service now, and was not before */
  failed(reason: string): boolean {
    if (this.out !== undefined) return false;
    this.#note(false);
    const inRow = this.#outcomes.length - 1 - this.#outcomes.lastIndexOf(true);
    const failures = this.#outcomes.filter((good) => !good).length;
    if (!this.#onTrial && inRow < IN_ROW_MAX && failures < FAILURES_MAX) return false;
    const why =
      inRow >= IN_ROW_MAX
        ? `${inRow} in a row`
        : this.#onTrial
          ? "on trial"
          : `${failures} of the last ${this.#outcomes.length}`;
    this.#out = { reason: `${reason} (${why})`, until: this.#clock.monotonic() + this.#outMs };
    this.#outMs = Math.min(OUT_MAX_MS, 2 * this.#outMs);
    return true;
  }

  /** Somebody says that it is mended. @returns whether it was out of service */
  release(): boolean {
    const wasOut = this.out !== undefined;
    this.#outMs = OUT_MIN_MS;
    this.#returned(false);
    return wasOut;
  }

  #returned(onTrial: boolean): void {
    this.#out = undefined;
    this.#outcomes = [];
    this.#onTrial = onTrial;
  }

  #note(good: boolean): void {
    this.#outcomes.push(good);
    if (this.#outcomes.length > LOOKED_AT) this.#outcomes.shift();
  }
}
