/** What end-to-end pools keep on disk, and under which names. */
import type { KeyClass, NodeId, SegmentName } from "../model/ids.ts";
import type { WallMs } from "../runtime/clock.ts";
import type { ChunkName } from "../store/key-bag.ts";
import type { Route } from "../topology/router.ts";

/** Outbound: this node is the initiator and allocates. Inbound: it is the target and looks up. */
export type PoolDirection = "outbound" | "inbound";

export interface PoolId {
  readonly direction: PoolDirection;
  readonly remote: NodeId;
  readonly keyClass: KeyClass;
}

/** Where a segment's key has been: what decides, later, who could know it. */
export interface Provenance {
  readonly origin: NodeId;
  /** One for each share: the key is their XOR. With a single one, each node of it could know the key. */
  readonly routes: readonly Route[];
  readonly establishedAt: WallMs;
}

export interface PoolSegmentRecord {
  readonly chunk: ChunkName;
  readonly lengthBytes: number;
  readonly expiresAt: WallMs;
  readonly provenance: Provenance;
  /** Inbound only: ranges that were supplied, as pairs from, to; more of them may stand in `usedPrefix` records. */
  readonly used: readonly number[];
}

/** 64 bytes from which key ids of one epoch are made (`supply/key-id.ts`). */
export interface IdSecretRecord {
  readonly chunk: ChunkName;
  readonly lengthBytes: number;
  /** The first segment of the relay that brought it: names grow with attempts. */
  readonly broughtBy?: SegmentName;
}

export const poolPrefix = ({ direction, remote, keyClass }: PoolId): string => `${direction}/${remote}/${keyClass}/`;
export const poolSegmentPrefix = (pool: PoolId): string => `${poolPrefix(pool)}segment/`;
/** Ranges of a segment that were supplied since its own record was written: one record a claim, as pairs from, to. */
export const usedPrefix = (pool: PoolId): string => `${poolPrefix(pool)}used/`;
export const idSecretPrefix = (pool: PoolId): string => `${poolPrefix(pool)}secret/`;
export const poolLedger = ({ direction, remote, keyClass }: PoolId): string => `${direction}/${remote}/${keyClass}`;

/** Provenance as it may stand on disk: before key could be split, there was one `route`. */
export function provenanceOf(
  record: Provenance | (Omit<Provenance, "routes"> & { readonly route: Route }),
): Provenance {
  if ("routes" in record) return record;
  const { origin, route, establishedAt } = record;
  return { origin, routes: [route], establishedAt };
}
