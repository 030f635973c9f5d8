/** A pool as a strategy sees it, at rest unless told otherwise. */
import { POLICY_DEFAULT } from "../../../src/node/config.ts";
import type { DemandEstimate } from "../../../src/pre-establishment/pool-estimates.ts";
import type { PoolView } from "../../../src/pre-establishment/pre-establishment-strategy.ts";
import { C, DEFAULT } from "../relay/pool-bench.ts";

export const NO_DEMAND: DemandEstimate = {
  fastBytesPerSecond: 0,
  slowBytesPerSecond: 0,
  clumpBytes: 0,
  largestWindowBytes: 0,
  lowestStockBytes: undefined,
  longestKeyBytes: 0,
  largestRequestBytes: 0,
};

export const poolView = (change: Partial<PoolView> = {}): PoolView => ({
  target: C,
  keyClass: DEFAULT,
  grade: "silver",
  policy: { ...POLICY_DEFAULT, strategy: "static-watermark", lowKeys: 10, highKeys: 20 },
  keyBytes: 32,
  stockBytes: 0,
  inFlightBytes: 0,
  waitingBytes: 0,
  reachableBytes: 1_000_000,
  demand: NO_DEMAND,
  leadTime: { meanMs: 40, boundMs: 100 },
  misses: { latency: 0, supply: 0 },
  ...change,
});
