/** What a link keeps on disk, and under which names. */
import type { LinkId, QkdKeyId, SegmentName } from "../model/ids.ts";
import { NO_SEGMENT } from "../model/ids.ts";
import type { QkdKeyRunOfLength } from "../model/qkd-key-runs.ts";
import type { WallMs } from "../runtime/clock.ts";
import type { ChunkName } from "../store/key-bag.ts";
import type { LinkEnd } from "./manifest.ts";

/** A sealed chunk and which QKD-keys it holds, in order. */
export interface ChunkRecord {
  readonly chunk: ChunkName;
  readonly lengthBytes: number;
  readonly keys: readonly QkdKeyRunOfLength[];
  readonly receivedAt: WallMs;
}

/**
 * A segment of which this end holds its copy, not yet opened.
 *
 * proposed: at the leader, sent or about to be; repeated byte for byte until it is answered.
 * agreed: proven equal. At the follower `tag` is the one that it answered with.
 */
export interface SegmentRecord {
  readonly phase: "proposed" | "agreed";
  readonly owner: LinkEnd;
  readonly lengthBytes: number;
  readonly expiresAt: WallMs;
  readonly chunks: readonly ChunkRecord[];
  /** Hex; of the proposal. */
  readonly manifest: string;
  /** Hex: the proposal's tag at the leader, the answer's at the follower. Not secret: it was sent. */
  readonly tag: string;
}

export interface LinkStateRecord {
  /** The neighbour's store; another one means that what was shared is gone. */
  readonly peerStoreId: string;
  /** Follower: the last segment that was agreed or refused. What comes again below it is stale. */
  readonly decidedUpTo: SegmentName;
  /** The last segment of our direction that we opened. */
  readonly openedUpTo: SegmentName;
  /** The last segment of the neighbour's direction whose opening we witnessed. */
  readonly witnessedUpTo: SegmentName;
  /** Hex: the newest mark that the neighbour gave us to keep. */
  readonly peerMark: string;
  /** The last QKD-key that the module gave and that was stored or refused. */
  readonly lastModuleKey: QkdKeyId | "";
}

export const FRESH_LINK_STATE: LinkStateRecord = {
  peerStoreId: "",
  decidedUpTo: NO_SEGMENT,
  openedUpTo: NO_SEGMENT,
  witnessedUpTo: NO_SEGMENT,
  peerMark: "",
  lastModuleKey: "",
};

export const linkPrefix = (link: LinkId): string => `link/${link}/`;
export const stateName = (link: LinkId): string => `${linkPrefix(link)}state`;
export const quarantinePrefix = (link: LinkId): string => `${linkPrefix(link)}quarantine/`;
export const segmentPrefix = (link: LinkId): string => `${linkPrefix(link)}segment/`;
export const linkLedger = (link: LinkId): string => `link/${link}`;
