/** What supply tells those who plan ahead: every request of a pool, also one that finds too little key. */
import type { PoolId } from "../relay/pool-records.ts";

/**
 * Why stock did not suffice at once. latency: the way there had pad, and a relay brought key, only not ahead of the request: a
 * larger stock would have helped. supply: there was no pad or no way, and no relay in time: a larger stock makes it worse, for
 * the others.
 */
export type MissCause = "latency" | "supply";

export interface DemandListener {
  asked(pool: PoolId, need: { readonly count: number; readonly sizeBytes: number }): void;
  /** The stock served it at once; so much is left. */
  hit(pool: PoolId, stockBytes: number): void;
  missed(pool: PoolId, cause: MissCause): void;
  /** Stock and relays gave too little: the request was sent away. */
  notServed(pool: PoolId): void;
  /** A request for so many bytes waits; a negative number when it waits no longer. */
  waiting(pool: PoolId, bytes: number): void;
  /** A relay that was started on demand has brought key, so long after its pad was there. */
  relayed(pool: PoolId, durationMs: number): void;
}
