/** `static-watermark`: below `lowKeys` the pool is refilled to `highKeys`. One pair of thresholds, whatever the demand. */
import {
  heldBytes,
  type PoolPlan,
  type PoolView,
  type PreEstablishmentStrategy,
} from "../pre-establishment-strategy.ts";

export const staticWatermark: PreEstablishmentStrategy<undefined> = {
  name: "static-watermark",
  begin: () => undefined,
  next: ({ pools }) => ({ plans: pools.map(planFor), memory: undefined }),
};

function planFor(pool: PoolView): PoolPlan {
  const { target, keyClass, inFlightBytes, keyBytes, policy } = pool;
  const { lowKeys, highKeys } = policy;
  const held = heldBytes(pool);
  // what is under way was ordered by an earlier plan: a refill goes on until the high mark is reached
  const refilling = inFlightBytes > 0 && held < highKeys * keyBytes;
  const wanted = held < lowKeys * keyBytes || refilling;
  const mark = refilling
    ? `on its way to ${highKeys}`
    : wanted
      ? `below the low mark of ${lowKeys}`
      : `not below the low mark of ${lowKeys}`;
  return {
    target,
    keyClass,
    phase: refilling ? "refill" : "hold",
    targetKeys: highKeys,
    lowKeys,
    orderBytes: wanted ? Math.max(0, highKeys * keyBytes - held) : 0,
    reason: `${Math.floor(held / keyBytes)} keys held or under way, ${mark}`,
  };
}
