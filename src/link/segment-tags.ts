/**
 * The header that a link segment begins with, made of its own key bytes, and the tags that it pays for.
 *
 *  offset 0         16          32         48         64       80         96
 *        +---------+-----------+----------+----------+--------+----------+---------
 *        | r_agree | s_propose | s_answer | r_frames | s_open | s_opened | payload
 *        +---------+-----------+----------+----------+--------+----------+---------
 *
 * Each `s` tags one message whose bytes are a constant function of the agreed manifest: a second message under the same
 * `s` would show `r_agree`. Time, incarnation and demand therefore travel beside these messages, untagged.
 */
import type { LinkId, SegmentName } from "../model/ids.ts";
import { ByteWriter } from "../model/byte-layout.ts";
import { oneTimeTag, tagVerifies, TAG_PAD_BYTES } from "./one-time-tag.ts";

export const SEGMENT_HEADER_BYTES = 96;
export const SEGMENT_BYTES_MAX = 65_536;

const R_AGREE = 0;
const S_PROPOSE = 16;
const S_ANSWER = 32;
const R_FRAMES = 48;
const S_OPEN = 64;
const S_OPENED = 80;

type Statement = "propose" | "answer" | "open" | "opened";
const PAD_OFFSET: Readonly<Record<Statement, number>> = {
  propose: S_PROPOSE,
  answer: S_ANSWER,
  open: S_OPEN,
  opened: S_OPENED,
};

/** What the tags of openings and of their answers cover: a domain, a link's name, a segment's. */
export const NAMED_BYTES_MAX = 160;

/** `r_frames`: the hash key of every frame under this segment's pads. */
export const framesHashKey = (segment: Uint8Array): Uint8Array => segment.subarray(R_FRAMES, R_FRAMES + 16);

/** The leader's: these manifest bytes, and the key bytes here that they speak of (all that follows `s_propose`). */
export function proposalTag(segment: Uint8Array, manifest: Uint8Array): Uint8Array {
  return tagOf(segment, "propose", proposalParts(segment, manifest));
}

/** True proves both at once: the leader sent it, and both ends hold the same bits. */
export function proposalVerifies(segment: Uint8Array, manifest: Uint8Array, tag: Uint8Array): boolean {
  return verifies(segment, "propose", proposalParts(segment, manifest), tag);
}

export function answerTag(segment: Uint8Array, manifest: Uint8Array): Uint8Array {
  return tagOf(segment, "answer", [manifest]);
}

export function openingTag(segment: Uint8Array, name: SegmentRef): Uint8Array {
  return tagOf(segment, "open", [bytesOfRef(name)]);
}

export function openingVerifies(segment: Uint8Array, name: SegmentRef, tag: Uint8Array): boolean {
  return verifies(segment, "open", [bytesOfRef(name)], tag);
}

export function witnessedTag(segment: Uint8Array, name: SegmentRef): Uint8Array {
  return tagOf(segment, "opened", [bytesOfRef(name)]);
}

export function witnessedVerifies(segment: Uint8Array, name: SegmentRef, tag: Uint8Array): boolean {
  return verifies(segment, "opened", [bytesOfRef(name)], tag);
}

export interface SegmentRef {
  readonly link: LinkId;
  readonly segment: SegmentName;
}

const bytesOfRef = ({ link, segment }: SegmentRef): Uint8Array => new ByteWriter(64).text(link).hex(segment).finish();

function proposalParts(segment: Uint8Array, manifest: Uint8Array): readonly Uint8Array[] {
  return [new ByteWriter(4).u32(manifest.length).finish(), manifest, segment.subarray(S_ANSWER)];
}

function tagOf(segment: Uint8Array, statement: Statement, parts: readonly Uint8Array[]): Uint8Array {
  return oneTimeTag(segment.subarray(R_AGREE, 16), padOf(segment, statement), [domain(statement), ...parts]);
}

function verifies(segment: Uint8Array, statement: Statement, parts: readonly Uint8Array[], tag: Uint8Array): boolean {
  const covered = [domain(statement), ...parts];
  return tagVerifies(segment.subarray(R_AGREE, 16), padOf(segment, statement), covered, tag);
}

function padOf(segment: Uint8Array, statement: Statement): Uint8Array {
  return segment.subarray(PAD_OFFSET[statement], PAD_OFFSET[statement] + TAG_PAD_BYTES);
}

/** 16 bytes that name the statement, so that no message of one kind is one of another. */
const domain = (statement: Statement): Uint8Array => new TextEncoder().encode(`QKD1 ${statement}`.padEnd(16));
