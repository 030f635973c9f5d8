/** All end-to-end pools of this node, by remote node and class. Which may exist is decided by who may share keys. */
import type { KeyClass, NodeId } from "../model/ids.ts";
import { InboundPool } from "./inbound-pool.ts";
import { OutboundPool } from "./outbound-pool.ts";
import type { PoolId } from "./pool-records.ts";
import type { PoolParts } from "./pool-segments.ts";
import type { SplitPolicy } from "./split-policy.ts";

export interface PoolDirectory {
  readonly outbound: readonly OutboundPool[];
  readonly inbound: readonly InboundPool[];
  outboundPool(remote: NodeId, keyClass: KeyClass): OutboundPool | undefined;
  inboundPool(remote: NodeId, keyClass: KeyClass): InboundPool | undefined;
  /** Pools of a remote node as target: all its classes. */
  inboundPools(remote: NodeId): readonly InboundPool[];
}

/** Recovers the pools of each (remote, class). */
export async function openPoolDirectory(
  pools: readonly { readonly remote: NodeId; readonly keyClass: KeyClass }[],
  { splitOf, ...parts }: Omit<PoolParts, "split"> & { readonly splitOf: (pool: PoolId) => SplitPolicy | undefined },
): Promise<PoolDirectory> {
  const outbound: OutboundPool[] = [];
  const inbound: InboundPool[] = [];
  for (const pool of pools) {
    const [from, to] = [{ direction: "outbound", ...pool } as const, { direction: "inbound", ...pool } as const];
    outbound.push(await OutboundPool.open(from, { ...parts, split: splitOf(from) }));
    inbound.push(await InboundPool.open(to, { ...parts, split: splitOf(to) }));
  }
  return {
    outbound,
    inbound,
    outboundPool: (remote, keyClass) => outbound.find(({ id }) => id.remote === remote && id.keyClass === keyClass),
    inboundPool: (remote, keyClass) => inbound.find(({ id }) => id.remote === remote && id.keyClass === keyClass),
    inboundPools: (remote) => inbound.filter(({ id }) => id.remote === remote),
  };
}
