/** Slows down an SAE that presents many wrong key ids: guessing has to stay hopeless. */
import type { SaeId } from "../model/ids.ts";
import type { Clock, MonotonicMs } from "../runtime/clock.ts";

const FREE_FAILURES = 20;
const WINDOW_MS = 10_000;
const DELAY_MS = 250;
const SAES_MAX = 4096;

export class FailureBrake {
  readonly #clock: Clock;
  readonly #failures = new Map<SaeId, { count: number; since: MonotonicMs }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  failed(sae: SaeId): void {
    const now = this.#clock.monotonic();
    const entry = this.#failures.get(sae);
    if (entry === undefined || now - entry.since > WINDOW_MS) {
      if (this.#failures.size >= SAES_MAX) this.#failures.clear();
      this.#failures.set(sae, { count: 1, since: now });
    } else entry.count += 1;
  }

  /** Waits where the SAE has failed too often lately. */
  async slow(sae: SaeId, signal: AbortSignal): Promise<void> {
    const entry = this.#failures.get(sae);
    if (entry === undefined || entry.count <= FREE_FAILURES) return;
    if (this.#clock.monotonic() - entry.since > WINDOW_MS) return;
    await this.#clock.sleep(DELAY_MS, signal);
  }
}
