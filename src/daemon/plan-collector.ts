/** How a pool is planned at this moment, put together for its operator. */
import type { PlanStatus } from "../api/operator/plan-status.ts";
import { BITS_PER_BYTE } from "../model/units.ts";
import type { TrustedNode } from "../node/trusted-node.ts";
import type { OutboundPool } from "../relay/outbound-pool.ts";
import type { MonotonicMs } from "../runtime/clock.ts";

export function planStatus(pool: OutboundPool, node: TrustedNode, now: MonotonicMs): PlanStatus {
  const { keyBytes, grade, policy, demand, leadTime, misses, ...view } = node.view(pool);
  const { plan, waits, relaysUnderWay, orders } = node.scheduler.report(pool);
  const estimates = node.estimates(pool);
  const { slowBytesPerSecond } = demand;
  return {
    strategy: policy.strategy,
    grade,
    phase: plan.phase,
    reason: plan.reason,
    orderBytes: plan.orderBytes,
    waits: waits ?? null,
    relaysUnderWay,
    waitingBytes: view.waitingBytes,
    padBytes: view.reachableBytes,
    demand: {
      keysPerSecondFast: demand.fastBytesPerSecond / keyBytes,
      keysPerSecondSlow: slowBytesPerSecond / keyBytes,
      dispersion: demand.clumpBytes / keyBytes,
      largestWindowKeys: demand.largestWindowBytes / keyBytes,
      longestKeyBits: demand.longestKeyBytes * BITS_PER_BYTE,
      forecastErrorRatio: estimates.forecastErrorRatio(now) ?? null,
    },
    leadTimeMs: { mean: leadTime.meanMs ?? null, bound: leadTime.boundMs },
    autonomySeconds: slowBytesPerSecond === 0 ? null : view.stockBytes / slowBytesPerSecond,
    requests: { hits: estimates.hits, latencyMisses: misses.latency, supplyMisses: misses.supply },
    orders: orders.map(({ at, bytes, reason, result }) => ({ agoMs: now - at, bytes, reason, result: result ?? null })),
  };
}
