/**
 * QKD-keys that the module gave and that are not yet proven equal, in the order in which they came.
 *
 * They are held in runs: 32-byte keys come by the hundred thousand a second, so there is no object for each. A chunk is in
 * quarantine as a whole or not at all: where a part of it is taken, the rest becomes a chunk of its own.
 */
import { assert } from "../model/assert.ts";
import { IdRanges } from "../model/id-ranges.ts";
import type { QkdKeyId } from "../model/ids.ts";
import { counterOf, idAfter, type QkdKeyRun, type QkdKeyRunOfLength } from "../model/qkd-key-runs.ts";
import type { ChunkName } from "../store/key-bag.ts";
import type { ChunkRecord } from "./link-records.ts";

/** Keys of one length, whose ids are a run and whose bytes lie side by side. */
export interface KeySpan extends QkdKeyRunOfLength {
  /** The chunk that holds them, and where. */
  readonly chunk: ChunkRecord;
  readonly offsetBytes: number;
}

export class Quarantine {
  readonly #chunks = new Map<ChunkName, ChunkRecord>();
  readonly #ids = new IdRanges<KeySpan>();
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  add(chunk: ChunkRecord): void {
    this.#chunks.set(chunk.chunk, chunk);
    for (const span of spansOf(chunk)) this.#ids.add(span, span);
    this.#bytes += chunk.lengthBytes;
  }

  has(id: QkdKeyId): boolean {
    return this.#ids.has(id);
  }

  /** Those of some keys that are here, in their order. */
  find(run: QkdKeyRun): KeySpan[] {
    return [...this.#ids.parts(run)].map((part) => partAt(part.value, part));
  }

  /** Those of some keys that are not here, in their order. */
  gaps(run: QkdKeyRun): readonly QkdKeyRun[] {
    return this.#ids.gaps(run);
  }

  /** In the order in which they came. */
  chunks(): IterableIterator<ChunkRecord> {
    return this.#chunks.values();
  }

  remove(chunk: ChunkRecord): void {
    if (!this.#chunks.delete(chunk.chunk)) return;
    for (const run of chunk.keys) this.#ids.remove(run);
    this.#bytes -= chunk.lengthBytes;
  }
}

/** The keys of a chunk, in order. */
export function spansOf(chunk: ChunkRecord): KeySpan[] {
  let offsetBytes = 0;
  return chunk.keys.map((run) => {
    const span = { ...run, chunk, offsetBytes };
    offsetBytes += bytesOf(run);
    return span;
  });
}

/** `count` keys of a span, beginning with key number `from`. */
export function partOf(span: KeySpan, from: number, count: number): KeySpan {
  if (from === 0 && count === span.count) return span;
  return {
    first: idAfter(span.first, from)!,
    count,
    keyBytes: span.keyBytes,
    chunk: span.chunk,
    offsetBytes: span.offsetBytes + from * span.keyBytes,
  };
}

/** The keys of a span that a run names; they lie in it. */
export const partAt = (span: KeySpan, { first, count }: QkdKeyRun): KeySpan =>
  partOf(span, counterOf(first) - counterOf(span.first), count);

export const bytesOf = ({ count, keyBytes }: Pick<QkdKeyRunOfLength, "count" | "keyBytes">): number => count * keyBytes;

export const bytesIn = (runs: Iterable<QkdKeyRunOfLength>): number => {
  let bytes = 0;
  for (const run of runs) bytes += bytesOf(run);
  return bytes;
};

/** The same keys as runs of one length, neighbours joined: for a record. */
export function keyRunsOf(runs: Iterable<QkdKeyRunOfLength>): QkdKeyRunOfLength[] {
  const joined: { first: QkdKeyId; count: number; keyBytes: number }[] = [];
  for (const { first, count, keyBytes } of runs) {
    const last = joined.at(-1);
    const follows = last?.keyBytes === keyBytes && idAfter(last.first, last.count) === first;
    if (follows) last.count += count;
    else joined.push({ first, count, keyBytes });
  }
  return joined;
}

/** What of a chunk is left when `taken`, which lies in it, is gone; in the chunk's order. */
export function restOf(chunk: ChunkRecord, taken: readonly KeySpan[]): KeySpan[] {
  const held = new IdRanges<true>();
  for (const span of taken) assert(held.add(span, true) === span.count, "a QKD-key is taken twice at once");
  return spansOf(chunk).flatMap((span) => held.gaps(span).map((gap) => partAt(span, gap)));
}

/** Whether these are the chunk's keys, all of them and in its order: then its bytes serve as they lie. */
export function isWhole(chunk: ChunkRecord, keys: readonly KeySpan[]): boolean {
  const places = placesOf(keys);
  return places.length === 1 && places[0]!.from === 0 && places[0]!.to === chunk.lengthBytes;
}

/** Where keys of one chunk lie in it, neighbours joined. */
export function placesOf(keys: readonly KeySpan[]): { readonly from: number; readonly to: number }[] {
  const places: { from: number; to: number }[] = [];
  for (const key of keys) {
    const last = places.at(-1);
    if (last?.to === key.offsetBytes) last.to += bytesOf(key);
    else places.push({ from: key.offsetBytes, to: key.offsetBytes + bytesOf(key) });
  }
  return places;
}

/** Keys that lie in one chunk together; the order of keys is kept. */
export function groupsByChunk(keys: readonly KeySpan[]): { chunk: ChunkRecord; spans: KeySpan[] }[] {
  const groups: { chunk: ChunkRecord; spans: KeySpan[] }[] = [];
  for (const key of keys) {
    const last = groups.at(-1);
    if (last?.chunk === key.chunk) last.spans.push(key);
    else groups.push({ chunk: key.chunk, spans: [key] });
  }
  return groups;
}
