/** Says which of many alike events deserve a line: the first of a kind at once, then one a period, with how many. */
import type { Clock, MonotonicMs } from "./clock.ts";

const KINDS_MAX = 256;

export class Repeats {
  readonly #clock: Clock;
  readonly #periodMs: number;
  readonly #kinds = new Map<string, { at: MonotonicMs; passedOver: number }>();

  constructor(clock: Clock, periodMs: number) {
    this.#clock = clock;
    this.#periodMs = periodMs;
  }

  /** @returns how many of this kind were passed over since its last line; undefined: pass this one over as well */
  next(kind: string): number | undefined {
    const now = this.#clock.monotonic();
    const known = this.#kinds.get(kind);
    if (known !== undefined && now - known.at < this.#periodMs) {
      known.passedOver += 1;
      return undefined;
    }
    this.#kinds.delete(kind); // so that the oldest kind stands first
    const [oldest] = this.#kinds.keys();
    if (oldest !== undefined && this.#kinds.size >= KINDS_MAX) this.#kinds.delete(oldest);
    this.#kinds.set(kind, { at: now, passedOver: 0 });
    return known?.passedOver ?? 0;
  }
}
