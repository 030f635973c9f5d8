/** QKD-keys that the module gave and that are not yet proven equal, by id, in the order in which they came. */
import type { QkdKeyId } from "../model/ids.ts";
import { idAfter, type QkdKeyRun } from "../model/qkd-key-runs.ts";
import type { ChunkRecord, KeyRunRecord } from "./link-records.ts";

export interface QuarantinedKey {
  readonly id: QkdKeyId;
  readonly lengthBytes: number;
  /** The chunk that holds it, and where. */
  readonly chunk: ChunkRecord;
  readonly offsetBytes: number;
}

export class Quarantine {
  readonly #keys = new Map<QkdKeyId, QuarantinedKey>();
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#keys.size;
  }

  add(chunk: ChunkRecord): void {
    for (const key of keysOf(chunk)) {
      this.#keys.set(key.id, key);
      this.#bytes += key.lengthBytes;
    }
  }

  get(id: QkdKeyId): QuarantinedKey | undefined {
    return this.#keys.get(id);
  }

  /** In the order in which they came. */
  keys(): IterableIterator<QuarantinedKey> {
    return this.#keys.values();
  }

  remove(ids: Iterable<QkdKeyId>): void {
    for (const id of ids) {
      const key = this.#keys.get(id);
      if (key === undefined) continue;
      this.#keys.delete(id);
      this.#bytes -= key.lengthBytes;
    }
  }
}

/** The keys of a chunk, in order. */
export function* keysOf(chunk: ChunkRecord): Generator<QuarantinedKey> {
  let offsetBytes = 0;
  for (const run of chunk.keys) {
    for (let i = 0; i < run.count; i++) {
      const id = idAfter(run.first, i);
      if (id === undefined) return;
      yield { id, lengthBytes: run.keyBytes, chunk, offsetBytes };
      offsetBytes += run.keyBytes;
    }
  }
}

/** The same keys as runs of one length, for a record. */
export function keyRunsOf(keys: Iterable<{ readonly id: QkdKeyId; readonly lengthBytes: number }>): KeyRunRecord[] {
  const runs: { first: QkdKeyId; count: number; keyBytes: number }[] = [];
  let next: QkdKeyId | undefined;
  for (const { id, lengthBytes } of keys) {
    const last = runs.at(-1);
    if (last !== undefined && id === next && last.keyBytes === lengthBytes) last.count += 1;
    else runs.push({ first: id, count: 1, keyBytes: lengthBytes });
    next = idAfter(id, 1);
  }
  return runs;
}

/** Drops the lengths: what is told to the neighbour. */
export function idRunsOf(runs: Iterable<KeyRunRecord>): QkdKeyRun[] {
  const joined: { first: QkdKeyId; count: number }[] = [];
  for (const { first, count } of runs) {
    const last = joined.at(-1);
    if (last !== undefined && idAfter(last.first, last.count) === first) last.count += count;
    else joined.push({ first, count });
  }
  return joined;
}
