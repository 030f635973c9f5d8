/** The two ends of one end-to-end pool, each with a store of its own, and a way to establish segments in both. */
import { segmentName, type Incarnation, type KeyClass, type NodeId, type SegmentName } from "../../../src/model/ids.ts";
import { InboundPool } from "../../../src/relay/inbound-pool.ts";
import { OutboundPool } from "../../../src/relay/outbound-pool.ts";
import type { SplitPolicy } from "../../../src/relay/split-policy.ts";
import type { Clock } from "../../../src/runtime/clock.ts";
import type { KeyVault } from "../../../src/store/key-vault.ts";
import { createRecordingLogger } from "../../fakes/recording-logger.ts";
import { createSeededRandom } from "../../fakes/seeded-random.ts";
import { createMemoryStore, type MemoryStore } from "../store/vault-bench.ts";

export const A = "a" as NodeId;
export const C = "c" as NodeId;
export const DEFAULT = "default" as KeyClass;
export const TARGET_LIFE = "00000000000000c1" as Incarnation;

export interface PoolEnds {
  readonly from: { readonly store: MemoryStore; readonly vault: KeyVault; readonly pool: OutboundPool };
  readonly to: { readonly store: MemoryStore; readonly vault: KeyVault; readonly pool: InboundPool };
}

export const openOutbound = (vault: KeyVault, clock: Clock, split?: SplitPolicy): Promise<OutboundPool> =>
  OutboundPool.open(
    { direction: "outbound", remote: C, keyClass: DEFAULT },
    { vault, clock, log: createRecordingLogger(), split },
  );

export const openInbound = (vault: KeyVault, clock: Clock): Promise<InboundPool> =>
  InboundPool.open(
    { direction: "inbound", remote: A, keyClass: DEFAULT },
    { vault, clock, log: createRecordingLogger() },
  );

export async function openPoolEnds(seed = "pool"): Promise<PoolEnds> {
  const [one, other] = [createMemoryStore(`${seed} a`), createMemoryStore(`${seed} c`)];
  const [vault, remote] = [await one.open(), await other.open()];
  return {
    from: { store: one, vault, pool: await openOutbound(vault, one.clock) },
    to: { store: other, vault: remote, pool: await openInbound(remote, other.clock) },
  };
}

export function segmentBytes(name: SegmentName, lengthBytes: number): Uint8Array {
  const bytes = new Uint8Array(lengthBytes);
  createSeededRandom(`segment ${name}`).fill(bytes);
  return bytes;
}

/** What a relay brings to both ends, or to one of them. */
export async function establish(
  pools: { readonly outbound?: OutboundPool; readonly inbound?: InboundPool; readonly epoch: number },
  lengths: readonly number[],
  about: { readonly firstNumber?: number; readonly expiresAt?: number; readonly targetLife?: Incarnation } = {},
): Promise<SegmentName[]> {
  const { outbound, inbound, epoch } = pools;
  const names =
    outbound?.nextNames(lengths.length) ?? lengths.map((_, i) => segmentName(epoch, (about.firstNumber ?? 1) + i));
  const expiresAt = about.expiresAt ?? 1_900_000_000_000 + 86_400_000;
  const segments = names.map((name, i) => ({
    name,
    lengthBytes: lengths[i]!,
    expiresAt,
    bytes: segmentBytes(name, lengths[i]!),
  }));
  const founded = outbound?.hasIdSecret ?? inbound!.epochs().includes(epoch);
  const idSecret = founded ? undefined : segmentBytes(segmentName(epoch, 0), 64);
  const provenance = { origin: A, routes: [[C]] as const, establishedAt: 0 };
  const arrived = { segments, idSecret, proofKeyBytes: 32, provenance };
  await inbound?.add(arrived);
  await outbound?.add({ ...arrived, targetIncarnation: about.targetLife ?? TARGET_LIFE });
  return names;
}
