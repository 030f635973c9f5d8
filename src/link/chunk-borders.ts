/**
 * Where one chunk of quarantine ends and the next begins: at the same keys at both ends, without a word about it.
 *
 * The two ends get the same keys in batches of their own. If each made chunks of its batches, a segment of the leader's
 * chunks would cut those of the follower, and what is cut is sealed again. So both read the borders from the ids: the
 * counter in them falls into groups of as many keys as a segment holds.
 */
import type { QkdKeyId } from "../model/ids.ts";
import { counterOf, idAfter, type QkdKeyRunOfLength } from "../model/qkd-key-runs.ts";

const keysPerGroup = (keyBytes: number, segmentBytes: number): number =>
  Math.max(1, Math.floor(segmentBytes / keyBytes));

/** Whether a chunk, and a segment, should begin with this key. */
export function isBorder(first: QkdKeyId, keyBytes: number, segmentBytes: number): boolean {
  return counterOf(first) % keysPerGroup(keyBytes, segmentBytes) === 0;
}

/** Parts that one chunk is made of, with their places among the bytes that were cut. */
export interface ChunkCut {
  readonly runs: readonly QkdKeyRunOfLength[];
  readonly parts: readonly { readonly from: number; readonly to: number }[];
}

/** @param pieces  runs of keys, and where their bytes begin */
export function cutIntoChunks(
  pieces: Iterable<QkdKeyRunOfLength & { readonly offsetBytes: number }>,
  segmentBytes: number,
): ChunkCut[] {
  const chunks: { runs: QkdKeyRunOfLength[]; parts: { from: number; to: number }[] }[] = [];
  let bytes = 0;
  for (const piece of pieces) {
    for (const { first, count, keyBytes, offsetBytes } of cutAtBorders(piece, segmentBytes)) {
      const length = count * keyBytes;
      if (chunks.length === 0 || isBorder(first, keyBytes, segmentBytes) || bytes + length > segmentBytes) {
        chunks.push({ runs: [], parts: [] });
        bytes = 0;
      }
      chunks.at(-1)!.runs.push({ first, count, keyBytes });
      chunks.at(-1)!.parts.push({ from: offsetBytes, to: offsetBytes + length });
      bytes += length;
    }
  }
  return chunks;
}

function* cutAtBorders<Piece extends QkdKeyRunOfLength & { readonly offsetBytes: number }>(
  piece: Piece,
  segmentBytes: number,
): Generator<Piece> {
  const group = keysPerGroup(piece.keyBytes, segmentBytes);
  for (let at = 0; at < piece.count;) {
    const first = idAfter(piece.first, at)!;
    const count = Math.min(piece.count - at, group - (counterOf(first) % group));
    yield { ...piece, first, count, offsetBytes: piece.offsetBytes + at * piece.keyBytes };
    at += count;
  }
}
