/** All end-to-end pools of this node, by remote node and class. Which may exist is decided by who may share keys. */
import type { KeyClass, NodeId } from "../model/ids.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import type { KeyVault } from "../store/key-vault.ts";
import { InboundPool } from "./inbound-pool.ts";
import { OutboundPool } from "./outbound-pool.ts";

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
  parts: { readonly vault: KeyVault; readonly clock: Clock; readonly log: Logger },
): Promise<PoolDirectory> {
  const outbound: OutboundPool[] = [];
  const inbound: InboundPool[] = [];
  for (const pool of pools) {
    outbound.push(await OutboundPool.open({ direction: "outbound", ...pool }, parts));
    inbound.push(await InboundPool.open({ direction: "inbound", ...pool }, parts));
  }
  return {
    outbound,
    inbound,
    outboundPool: (remote, keyClass) => outbound.find(({ id }) => id.remote === remote && id.keyClass === keyClass),
    inboundPool: (remote, keyClass) => inbound.find(({ id }) => id.remote === remote && id.keyClass === keyClass),
    inboundPools: (remote) => inbound.filter(({ id }) => id.remote === remote),
  };
}
