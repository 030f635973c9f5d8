/** What the leader proposes: which QKD-keys, in which order, make which segment, who may spend it, until when. */
import { ByteReader, ByteWriter } from "../model/byte-layout.ts";
import { QkdError } from "../model/errors.ts";
import {
  parseQkdKeyId,
  segmentEpoch,
  segmentName,
  segmentNumber,
  type LinkId,
  type SegmentName,
} from "../model/ids.ts";
import type { QkdKeyRun } from "../model/qkd-key-runs.ts";
import type { WallMs } from "../runtime/clock.ts";
import { SEGMENT_BYTES_MAX, SEGMENT_HEADER_BYTES } from "./segment-tags.ts";

/** The end of a link that owns a direction: it allocates, the other end looks up. */
export type LinkEnd = "leader" | "follower";

export interface Manifest {
  readonly link: LinkId;
  readonly segment: SegmentName;
  readonly owner: LinkEnd;
  readonly lengthBytes: number;
  readonly expiresAt: WallMs;
  readonly runs: readonly QkdKeyRun[];
}

const MAGIC = 0x514b444d; // "QKDM"
const VERSION = 1;
const OWNERS = ["leader", "follower"] as const;
const RUNS_MAX = 4096;
/** Its header, and pad for one frame: an owner could not spend a shorter one. */
const LENGTH_BYTES_MIN = SEGMENT_HEADER_BYTES + 32;

/**
 *  "QKDM" | version u8 | owner u8 (0 leader, 1 follower) | link text | segment u32 u32 | length u32 | expires at u64 |
 *  runs u16, each: first id counted bytes, count u32                       (text and counted: length u16, then bytes)
 *
 * One encoding for one meaning: these bytes are under the tag, and the payload is not sent.
 */
export function encodeManifest(manifest: Manifest): Uint8Array {
  const writer = new ByteWriter().u32(MAGIC).u8(VERSION).u8(OWNERS.indexOf(manifest.owner)).text(manifest.link);
  writer.u32(segmentEpoch(manifest.segment)).u32(segmentNumber(manifest.segment));
  writer.u32(manifest.lengthBytes).u64(manifest.expiresAt).u16(manifest.runs.length);
  for (const { first, count } of manifest.runs)
    writer
      .u16(first.length / 2)
      .hex(first)
      .u32(count);
  return writer.finish();
}

/** @throws QkdError REQUEST_INVALID for bytes that no manifest has */
export function decodeManifest(bytes: Uint8Array): Manifest {
  const reader = new ByteReader(bytes, "manifest");
  const magic = reader.u32();
  const version = reader.u8();
  const owner = OWNERS[reader.u8()];
  const link = reader.text() as LinkId;
  const segment = segmentName(reader.u32(), reader.u32());
  const lengthBytes = reader.u32();
  const expiresAt = reader.u64();
  const count = reader.u16();
  if (magic !== MAGIC || version !== VERSION || owner === undefined || count > RUNS_MAX) throw invalid("its head");
  if (lengthBytes < LENGTH_BYTES_MIN || lengthBytes > SEGMENT_BYTES_MAX) throw invalid("its length");
  const runs: QkdKeyRun[] = [];
  for (let i = 0; i < count; i++) runs.push({ first: parseQkdKeyId(reader.hex(reader.u16())), count: reader.u32() });
  reader.end();
  return { link, segment, owner, lengthBytes, expiresAt, runs };
}

const invalid = (what: string): QkdError => new QkdError("REQUEST_INVALID", `malformed manifest: ${what}`, {});
