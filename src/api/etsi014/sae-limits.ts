/**
 * What one SAE may ask for at once and a second: whoever is hostile, or runs wild, slows down itself and no other
 * (SECURITY 4.5). A bucket of tokens for each SAE: two seconds' worth may come in one moment.
 */
import type { SaeId } from "../../model/ids.ts";
import { SECOND_MS } from "../../model/units.ts";
import type { Clock, MonotonicMs } from "../../runtime/clock.ts";

export interface SaeLimits {
  readonly requestsPerSecondMax: number;
  /** Begun, and not answered. */
  readonly requestsAtOnceMax: number;
}

const BURST_SECONDS = 2;
/** When one is at its bound for requests at once, its others are on their way: soon one of them is answered. */
const BUSY_RETRY_MS = SECOND_MS;

interface Usage {
  tokens: number;
  at: MonotonicMs;
  running: number;
}

export class SaeThrottle {
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #limits: SaeLimits;
  /** There are as many SAEs as certificates that our anchor signed. */
  readonly #usage = new Map<SaeId, Usage>();

  constructor(clock: Pick<Clock, "monotonic">, limits: SaeLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** @returns undefined when the request may go on: then `end` has to follow; else how long the SAE should wait */
  begin(sae: SaeId): { readonly retryAfterMs: number } | undefined {
    const { requestsPerSecondMax: rate, requestsAtOnceMax } = this.#limits;
    const now = this.#clock.monotonic();
    const usage = this.#usage.get(sae) ?? { tokens: BURST_SECONDS * rate, at: now, running: 0 };
    this.#usage.set(sae, usage);
    usage.tokens = Math.min(BURST_SECONDS * rate, usage.tokens + ((now - usage.at) / SECOND_MS) * rate);
    usage.at = now;
    if (usage.running >= requestsAtOnceMax) return { retryAfterMs: BUSY_RETRY_MS };
    if (usage.tokens < 1) return { retryAfterMs: Math.ceil(((1 - usage.tokens) / rate) * SECOND_MS) };
    usage.tokens -= 1;
    usage.running += 1;
    return undefined;
  }

  end(sae: SaeId): void {
    this.#usage.get(sae)!.running -= 1;
  }
}
