/** How a pool is planned, as its operator sees it: estimates, target, orders, and the reason for each, or for none. */

export interface PlanStatus {
  readonly strategy: string;
  readonly grade: string;
  /** What the strategy does with the pool: probe, hold, refill, idle. */
  readonly phase: string;
  /** Why this much is ordered now, or nothing. */
  readonly reason: string;
  /** Ordered now; 0 for nothing. */
  readonly orderBytes: number;
  /** Why what is ordered is not, or not wholly, on its way; null where nothing is in the way. */
  readonly waits: string | null;
  readonly relaysUnderWay: number;
  /** What requests that wait now have asked for. */
  readonly waitingBytes: number;
  /** That a relay could use as pad now, towards its first hop. */
  readonly padBytes: number;
  readonly demand: DemandStatus;
  /** From the need of key to its use at both ends; null before the first relay. */
  readonly leadTimeMs: { readonly mean: number | null; readonly bound: number };
  /** How long the stock would last at the demand of the last minute; null without demand. */
  readonly autonomySeconds: number | null;
  /** Since this start: served from stock at once; waited although links had pad; waited because they had none. */
  readonly requests: { readonly hits: number; readonly latencyMisses: number; readonly supplyMisses: number };
  /** The last few, the newest last. */
  readonly orders: readonly OrderStatus[];
}

/** Keys are of the default size. */
export interface DemandStatus {
  readonly keysPerSecondFast: number;
  readonly keysPerSecondSlow: number;
  /** Index of dispersion: 1 for single keys at random moments. */
  readonly dispersion: number;
  /** The most within one lead time, lately. */
  readonly largestWindowKeys: number;
  readonly longestKeyBits: number;
  /** Of forecasts over ten seconds; null before any demand. */
  readonly forecastErrorRatio: number | null;
}

export interface OrderStatus {
  readonly agoMs: number;
  readonly bytes: number;
  readonly reason: string;
  /** Null while the relay is under way. */
  readonly result: { readonly outcome: string; readonly durationMs: number } | null;
}
