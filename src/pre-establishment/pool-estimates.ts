/** What is thought of the demand for one pool, and of the relays that fill it: from what happened so far. */
import { MINUTE_MS, SECOND_MS } from "../model/units.ts";
import type { MonotonicMs } from "../runtime/clock.ts";
import type { MissCause } from "../supply/demand-listener.ts";
import { DispersionEstimate } from "./estimators/dispersion.ts";
import { ForecastError } from "./estimators/forecast-error.ts";
import { LargestWindow } from "./estimators/largest-window.ts";
import { LeadTimeEstimate } from "./estimators/lead-time.ts";
import { RateEstimate } from "./estimators/rate.ts";
import { RecentExtreme } from "./estimators/recent-extreme.ts";

const FAST_MS = SECOND_MS;
const SLOW_MS = MINUTE_MS;
/** The lowest stock, and the largest wishes, are remembered for one to two of these. */
const LOWEST_STOCK_MS = 10 * SECOND_MS;
const LARGEST_MS = 10 * MINUTE_MS;
/** From the need to the order: demand that comes within this time is planned for together. */
export const REACTION_MS = 10;

/** Numbers only, in bytes: requests ask for keys of many sizes. */
export interface DemandEstimate {
  /** Smoothed over a second, and over a minute. */
  readonly fastBytesPerSecond: number;
  readonly slowBytesPerSecond: number;
  /** Variance of demand in short slots over its mean: the size of a key, when single keys are asked for at random. */
  readonly clumpBytes: number;
  /** The most within one lead time, lately. */
  readonly largestWindowBytes: number;
  /** The least that lay ready behind a request, lately; undefined when there was none. */
  readonly lowestStockBytes: number | undefined;
  /** Of the last minutes; 0 while nothing was asked for. */
  readonly longestKeyBytes: number;
  readonly largestRequestBytes: number;
}

/** From the need of key to its use: reaction and relay. */
export interface LeadTime {
  readonly meanMs: number | undefined;
  readonly boundMs: number;
}

export class PoolEstimates {
  readonly #fast: RateEstimate;
  readonly #slow: RateEstimate;
  readonly #dispersion: DispersionEstimate;
  readonly #window: LargestWindow;
  readonly #forecast: ForecastError;
  readonly #lead = new LeadTimeEstimate();
  readonly #lowestStock = new RecentExtreme(LOWEST_STOCK_MS, Math.min);
  readonly #longestKey = new RecentExtreme(LARGEST_MS, Math.max);
  readonly #largestRequest = new RecentExtreme(LARGEST_MS, Math.max);
  readonly #misses: Record<MissCause, number> = { latency: 0, supply: 0 };
  #hits = 0;
  #waitingBytes = 0;
  #unservedSince: MonotonicMs | undefined;

  constructor(now: MonotonicMs) {
    this.#fast = new RateEstimate(FAST_MS, now);
    this.#slow = new RateEstimate(SLOW_MS, now);
    this.#dispersion = new DispersionEstimate(SLOW_MS, now);
    this.#window = new LargestWindow(SLOW_MS, now);
    this.#forecast = new ForecastError(now);
  }

  asked({ count, sizeBytes }: { readonly count: number; readonly sizeBytes: number }, now: MonotonicMs): void {
    const bytes = count * sizeBytes;
    this.#forecast.add(bytes, now, () => this.#slow.perSecond(now));
    this.#fast.add(bytes, now);
    this.#slow.add(bytes, now);
    this.#dispersion.add(bytes, now);
    this.#window.add(bytes, now, this.leadTime.boundMs);
    this.#longestKey.add(sizeBytes, now);
    this.#largestRequest.add(bytes, now);
  }

  hit(stockBytes: number, now: MonotonicMs): void {
    this.#hits += 1;
    this.#lowestStock.add(stockBytes, now);
  }

  missed(cause: MissCause, now: MonotonicMs): void {
    this.#misses[cause] += 1;
    this.#lowestStock.add(0, now);
  }

  waiting(bytes: number): void {
    this.#waitingBytes += bytes;
  }

  relayed(durationMs: number): void {
    this.#lead.add(durationMs);
  }

  /** What requests that wait now have asked for. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  get hits(): number {
    return this.#hits;
  }

  get misses(): Readonly<Record<MissCause, number>> {
    return { ...this.#misses };
  }

  get leadTime(): LeadTime {
    const { meanMs, boundMs } = this.#lead;
    return { meanMs: meanMs === undefined ? undefined : meanMs + REACTION_MS, boundMs: boundMs + REACTION_MS };
  }

  demand(now: MonotonicMs): DemandEstimate {
    return {
      fastBytesPerSecond: this.#fast.perSecond(now),
      slowBytesPerSecond: this.#slow.perSecond(now),
      clumpBytes: this.#dispersion.clumpBytes(now),
      largestWindowBytes: this.#window.bytes(now),
      lowestStockBytes: this.#lowestStock.value(now),
      longestKeyBytes: this.#longestKey.value(now) ?? 0,
      largestRequestBytes: this.#largestRequest.value(now) ?? 0,
    };
  }

  /** Of the forecasts that the slow rate made; undefined before there was any demand. */
  forecastErrorRatio(now: MonotonicMs): number | undefined {
    return this.#forecast.ratio(now, () => this.#slow.perSecond(now));
  }

  /** The first request that was sent away since the pool was last whole. */
  get unservedSince(): MonotonicMs | undefined {
    return this.#unservedSince;
  }

  notServed(now: MonotonicMs): void {
    this.#unservedSince ??= now;
  }

  wholeAgain(): void {
    this.#unservedSince = undefined;
  }
}
