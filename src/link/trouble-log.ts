/** What an operator should know about a link now: troubles that last, and those of the last minutes. */
import type { Clock, MonotonicMs } from "../runtime/clock.ts";

const EVENT_SHOWN_MS = 120_000;
const EVENTS_MAX = 16;

export class TroubleLog {
  readonly #clock: Clock;
  readonly #lasting = new Map<string, string>();
  readonly #events: { readonly at: MonotonicMs; readonly sentence: string }[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A trouble that lasts until `clear`. */
  lasts(topic: string, sentence: string): void {
    this.#lasting.set(topic, sentence);
  }

  clear(topic: string): void {
    this.#lasting.delete(topic);
  }

  /** Something that happened and is over. */
  happened(sentence: string): void {
    this.#events.push({ at: this.#clock.monotonic(), sentence });
    if (this.#events.length > EVENTS_MAX) this.#events.shift();
  }

  sentences(): readonly string[] {
    const now = this.#clock.monotonic();
    const recent = this.#events.filter(({ at }) => now - at < EVENT_SHOWN_MS);
    const told = recent.map(({ at, sentence }) => `${sentence} (${Math.round((now - at) / 1000)} s ago)`);
    return [...this.#lasting.values(), ...told];
  }
}
