/** Cuts an order into the segments of one relay (pure). */
import { END_TO_END_SEGMENT_BYTES_MAX, ID_SECRET_BYTES, PROOF_KEY_BYTES } from "../relay/relay-frame.ts";

const SEGMENTS_PER_RELAY_MAX = 16;
/** A pool is made of about this many segments at its target, so that opening one puts little at stake. */
const SEGMENTS_PER_TARGET = 8;
/** A segment is a record at both ends, and a write to open it: a key alone is not worth that. */
const SEGMENT_KEYS_MIN = 4;
/** Room for tags, and for a relay that is split over pads. */
const RELAY_OVERHEAD_BYTES = PROOF_KEY_BYTES + 128;

export interface OrderSizes {
  readonly orderBytes: number;
  readonly targetKeys: number;
  readonly keyBytes: number;
  /** The longest key that was asked for lately, or longer: a key does not span segments. */
  readonly longestKeyBytes: number;
  /** What one relay may carry now, and what the first hop has pad for. */
  readonly relayBytesMax: number;
  readonly reachableBytes: number;
  readonly withIdSecret: boolean;
}

/** @returns lengths of segments; none when too little can be sent now */
export function segmentsOf(sizes: OrderSizes): readonly number[] {
  const { orderBytes, keyBytes, relayBytesMax, reachableBytes, withIdSecret } = sizes;
  const overhead = RELAY_OVERHEAD_BYTES + (withIdSecret ? ID_SECRET_BYTES : 0);
  const reach = Math.min(relayBytesMax, reachableBytes - overhead);
  const length = segmentBytes(sizes);
  if (reach < length) {
    const rest = Math.floor(reach / keyBytes) * keyBytes;
    return rest >= segmentBytesMin(sizes) ? [rest] : [];
  }
  const count = Math.max(1, Math.min(SEGMENTS_PER_RELAY_MAX, Math.ceil(orderBytes / length)));
  return Array.from({ length: Math.min(count, Math.floor(reach / length)) }, () => length);
}

/** A part of the target, of whole keys of the usual size; neither too short for a key nor longer than a segment may be. */
function segmentBytes(sizes: OrderSizes): number {
  const { targetKeys, keyBytes } = sizes;
  const part = Math.ceil(targetKeys / SEGMENTS_PER_TARGET) * keyBytes;
  const wholeKeysMax = Math.floor(END_TO_END_SEGMENT_BYTES_MAX / keyBytes) * keyBytes;
  return Math.min(wholeKeysMax, Math.max(part, segmentBytesMin(sizes)));
}

export function segmentBytesMin({
  keyBytes,
  longestKeyBytes,
}: Pick<OrderSizes, "keyBytes" | "longestKeyBytes">): number {
  return Math.ceil(Math.max(SEGMENT_KEYS_MIN * keyBytes, longestKeyBytes) / keyBytes) * keyBytes;
}
