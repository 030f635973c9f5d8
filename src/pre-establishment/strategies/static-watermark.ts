/** `static-watermark`: below `lowKeys` the pool is refilled to `highKeys`. One pair of thresholds, whatever the demand. */
import type { PlannedOrder, PoolView, PreEstablishmentStrategy } from "../pre-establishment-strategy.ts";

export const staticWatermark: PreEstablishmentStrategy = {
  name: "static-watermark",
  target: ({ policy }) => ({ lowKeys: policy.lowKeys, targetKeys: policy.highKeys }),
  plan: ({ pools }) => pools.flatMap((pool) => orderFor(pool) ?? []),
};

function orderFor({
  target,
  keyClass,
  stockBytes,
  inFlightBytes,
  keyBytes,
  policy,
}: PoolView): PlannedOrder | undefined {
  const held = stockBytes + inFlightBytes;
  // what is under way was ordered by an earlier plan: a refill goes on until the high mark is reached
  const refilling = inFlightBytes > 0 && held < policy.highKeys * keyBytes;
  if (held >= policy.lowKeys * keyBytes && !refilling) return undefined;
  const bytes = policy.highKeys * keyBytes - held;
  if (bytes <= 0) return undefined;
  const keys = Math.floor(held / keyBytes);
  const mark = refilling ? `on its way to ${policy.highKeys}` : `below the low mark of ${policy.lowKeys}`;
  return { target, keyClass, bytes, reason: `${keys} keys held or under way, ${mark}` };
}
