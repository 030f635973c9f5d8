/**
 * One hop's frame: bytes under a pad, a header in clear, and one tag over all of it.
 *
 *  "QKF1" u32 | segment u32 u32 | pad offset u32 | payload length u32 | header, counted (length u16) | ciphertext | tag 16
 *
 * The pad range is [offset, offset + length) for the payload and 16 bytes more for the tag's `s`. The frame is named by
 * (segment, offset): that range is bound to these bytes, which are sent once.
 */
import { ByteReader, ByteWriter } from "../model/byte-layout.ts";
import { QkdError } from "../model/errors.ts";
import { segmentEpoch, segmentName, segmentNumber, type SegmentName } from "../model/ids.ts";
import { TAG_BYTES } from "./one-time-tag.ts";

const MAGIC = 0x514b4631; // "QKF1"
const FIXED_BYTES = 4 + 8 + 4 + 4 + 2;

export interface HopFrame {
  readonly segment: SegmentName;
  readonly padOffset: number;
  readonly header: Uint8Array;
  readonly ciphertext: Uint8Array;
  /** All that is under the tag: the frame without its last 16 bytes. */
  readonly covered: Uint8Array;
  readonly tag: Uint8Array;
}

/** Lays a frame out; the caller fills `ciphertext` (zero now), then `tag`. All are views of `bytes`. */
export function layFrame(
  segment: SegmentName,
  padOffset: number,
  header: Uint8Array,
  payloadBytes: number,
): HopFrame & { readonly bytes: Uint8Array } {
  const writer = new ByteWriter(FIXED_BYTES + header.length + payloadBytes + TAG_BYTES);
  writer.u32(MAGIC).u32(segmentEpoch(segment)).u32(segmentNumber(segment)).u32(padOffset).u32(payloadBytes);
  writer.counted(header);
  const ciphertext = writer.room(payloadBytes);
  const tag = writer.room(TAG_BYTES);
  const bytes = writer.finish();
  return { segment, padOffset, header, ciphertext, tag, covered: bytes.subarray(0, -TAG_BYTES), bytes };
}

/** @throws QkdError REQUEST_INVALID for bytes that no frame has */
export function readFrame(bytes: Uint8Array): HopFrame {
  const reader = new ByteReader(bytes, "frame");
  const magic = reader.u32();
  const segment = segmentName(reader.u32(), reader.u32());
  const padOffset = reader.u32();
  const payloadBytes = reader.u32();
  const header = reader.counted();
  const ciphertext = reader.bytes(payloadBytes);
  const tag = reader.bytes(TAG_BYTES);
  reader.end();
  if (magic !== MAGIC) throw new QkdError("REQUEST_INVALID", "malformed frame: no frame of this version", {});
  return { segment, padOffset, header, ciphertext, tag, covered: bytes.subarray(0, -TAG_BYTES) };
}
