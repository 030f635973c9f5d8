/**
 * What the frames of a relay say in clear, under each hop's tag.
 *
 *  frame header:  relay id 16 | payload offset u32 | total payload u32 | time left u32 (ms) | plan, counted
 *                 The plan is in the frame with payload offset 0 and empty in all others.
 *
 *  plan:          version u8 | flags u8 (1: an id secret comes first; 2: a live set is given) | origin text | class text
 *                 | route u8, each: node text | segments u8, each: name u32 u32, length u32, expires at u64
 *                 | live set u16, each run: first name u32 u32, count u32
 *                 | in version 2, which a share of a split key has: key 16 | shares u8 | which of them u8, from 0
 *
 *  payload:       proof key 32 | id secret 64, where the plan says so | the segments' bytes, in order
 */
import { ByteReader, ByteWriter } from "../model/byte-layout.ts";
import { QkdError } from "../model/errors.ts";
import {
  parseKeyClass,
  parseNodeId,
  segmentEpoch,
  segmentName,
  segmentNumber,
  type KeyClass,
  type NodeId,
  type RelayId,
  type SegmentName,
} from "../model/ids.ts";
import type { SegmentRun } from "../model/segment-runs.ts";
import type { WallMs } from "../runtime/clock.ts";
import { ROUTE_NODES_MAX, type Route } from "../topology/router.ts";
import { SHARES_MAX } from "./split-policy.ts";

export const PROOF_KEY_BYTES = 32;
export const ID_SECRET_BYTES = 64;
export const END_TO_END_SEGMENT_BYTES_MAX = 65_536;
export const RELAY_BYTES_MAX = 128 * 1024;
const SEGMENTS_MAX = 64;
const LIVE_RUNS_MAX = 1024;
const RELAY_ID_BYTES = 16;
const SPLIT_KEY_BYTES = 16;
const VERSION = 1;
const SHARE_VERSION = 2;
const CARRIES_ID_SECRET = 1;
const TELLS_LIVE_SET = 2;

export interface RelayFrameHeader {
  readonly relay: RelayId;
  readonly payloadOffset: number;
  readonly totalBytes: number;
  readonly timeLeftMs: number;
  /** Empty but in the first frame. */
  readonly plan: Uint8Array;
}

export interface PlannedSegment {
  readonly name: SegmentName;
  readonly lengthBytes: number;
  readonly expiresAt: WallMs;
}

/** Which share of which key a relay carries. The key is the XOR of all its shares' payloads. */
export interface SharePlace {
  /** Hex; names the key while its shares are under way. */
  readonly key: string;
  /** 2 to `SHARES_MAX`. */
  readonly shares: number;
  /** From 0. */
  readonly index: number;
}

export interface RelayPlan {
  readonly origin: NodeId;
  readonly route: Route;
  readonly keyClass: KeyClass;
  readonly carriesIdSecret: boolean;
  readonly segments: readonly PlannedSegment[];
  /** All other segments of the pool that the origin may still allocate from; undefined when there are too many to tell. */
  readonly live: readonly SegmentRun[] | undefined;
  /** Missing where one relay brings the whole key. */
  readonly share?: SharePlace;
}

export function encodeRelayHeader(header: RelayFrameHeader): Uint8Array {
  const writer = new ByteWriter(RELAY_ID_BYTES + 14 + header.plan.length).hex(header.relay);
  writer.u32(header.payloadOffset).u32(header.totalBytes).u32(header.timeLeftMs).counted(header.plan);
  return writer.finish();
}

/** @throws QkdError REQUEST_INVALID */
export function decodeRelayHeader(bytes: Uint8Array): RelayFrameHeader {
  const reader = new ByteReader(bytes, "relay frame header");
  const relay = reader.hex(RELAY_ID_BYTES) as RelayId;
  const header = {
    relay,
    payloadOffset: reader.u32(),
    totalBytes: reader.u32(),
    timeLeftMs: reader.u32(),
    plan: reader.counted(),
  };
  reader.end();
  return header;
}

export function encodeRelayPlan(plan: RelayPlan): Uint8Array {
  const writer = new ByteWriter(512).u8(plan.share === undefined ? VERSION : SHARE_VERSION);
  const live = plan.live === undefined || plan.live.length > LIVE_RUNS_MAX ? undefined : plan.live;
  writer.u8((plan.carriesIdSecret ? CARRIES_ID_SECRET : 0) | (live === undefined ? 0 : TELLS_LIVE_SET));
  writer.text(plan.origin).text(plan.keyClass).u8(plan.route.length);
  for (const node of plan.route) writer.text(node);
  writer.u8(plan.segments.length);
  for (const { name, lengthBytes, expiresAt } of plan.segments) {
    writer.u32(segmentEpoch(name)).u32(segmentNumber(name)).u32(lengthBytes).u64(expiresAt);
  }
  writer.u16(live?.length ?? 0);
  for (const { first, count } of live ?? []) writer.u32(segmentEpoch(first)).u32(segmentNumber(first)).u32(count);
  if (plan.share !== undefined) writer.hex(plan.share.key).u8(plan.share.shares).u8(plan.share.index);
  return writer.finish();
}

/** @throws QkdError REQUEST_INVALID for bytes that no plan has */
export function decodeRelayPlan(bytes: Uint8Array): RelayPlan {
  const reader = new ByteReader(bytes, "relay plan");
  const version = reader.u8();
  if (version !== VERSION && version !== SHARE_VERSION) throw invalid("its version");
  const flags = reader.u8();
  const origin = parseNodeId(reader.text());
  const keyClass = parseKeyClass(reader.text());
  const routeLength = reader.u8();
  const route: NodeId[] = [];
  for (let i = 0; i < routeLength; i++) route.push(parseNodeId(reader.text()));
  if (
    routeLength === 0 ||
    routeLength > ROUTE_NODES_MAX ||
    new Set(route).size < routeLength ||
    route.includes(origin)
  ) {
    throw invalid("its route");
  }
  const segments: PlannedSegment[] = [];
  for (let left = reader.u8(); left > 0; left--) {
    const name = segmentName(reader.u32(), reader.u32());
    segments.push({ name, lengthBytes: reader.u32(), expiresAt: reader.u64() });
  }
  const live: SegmentRun[] = [];
  for (let left = reader.u16(); left > 0; left--) {
    live.push({ first: segmentName(reader.u32(), reader.u32()), count: reader.u32() });
  }
  const share = version === SHARE_VERSION ? { share: readShare(reader) } : {};
  reader.end();
  checkSegments(segments);
  const told = (flags & TELLS_LIVE_SET) === 0 ? undefined : live;
  const carriesIdSecret = (flags & CARRIES_ID_SECRET) !== 0;
  return { origin, route: route as unknown as Route, keyClass, carriesIdSecret, segments, live: told, ...share };
}

function readShare(reader: ByteReader): SharePlace {
  const share = { key: reader.hex(SPLIT_KEY_BYTES), shares: reader.u8(), index: reader.u8() };
  if (share.shares < 2 || share.shares > SHARES_MAX || share.index >= share.shares) throw invalid("its share");
  return share;
}

/** What the plan's payload has to measure. */
export function payloadBytesOf(plan: {
  readonly carriesIdSecret: boolean;
  readonly segments: readonly Pick<PlannedSegment, "lengthBytes">[];
}): number {
  const segments = plan.segments.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
  return PROOF_KEY_BYTES + (plan.carriesIdSecret ? ID_SECRET_BYTES : 0) + segments;
}

/** The parts of a relay's payload, as views. */
export function splitPayload(
  plan: Pick<RelayPlan, "carriesIdSecret" | "segments">,
  payload: Uint8Array,
): {
  readonly segments: readonly (PlannedSegment & { readonly bytes: Uint8Array })[];
  readonly idSecret: Uint8Array | undefined;
  readonly proofKeyBytes: number;
} {
  let at = PROOF_KEY_BYTES;
  const next = (length: number): Uint8Array => payload.subarray(at, (at += length));
  const idSecret = plan.carriesIdSecret ? next(ID_SECRET_BYTES) : undefined;
  const segments = plan.segments.map((segment) => ({ ...segment, bytes: next(segment.lengthBytes) }));
  return { segments, idSecret, proofKeyBytes: PROOF_KEY_BYTES };
}

function checkSegments(segments: readonly PlannedSegment[]): void {
  if (segments.length === 0 || segments.length > SEGMENTS_MAX) throw invalid("the number of its segments");
  for (const [i, { name, lengthBytes }] of segments.entries()) {
    if (lengthBytes === 0 || lengthBytes > END_TO_END_SEGMENT_BYTES_MAX) throw invalid("a segment's length");
    if (i > 0 && segments[i - 1]!.name >= name) throw invalid("the order of its segments");
  }
}

const invalid = (what: string): QkdError => new QkdError("REQUEST_INVALID", `malformed relay plan: ${what}`, {});
