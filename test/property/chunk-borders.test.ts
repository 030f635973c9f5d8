import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { KeyBatchBuilder } from "../../src/driver/key-batch-builder.ts";
import { cutIntoChunks, isBorder } from "../../src/link/chunk-borders.ts";
import type { QkdKeyId } from "../../src/model/ids.ts";
import { idsOf, type QkdKeyRunOfLength } from "../../src/model/qkd-key-runs.ts";

const SEGMENT_BYTES = 1024;
const idAt = (counter: number): QkdKeyId => `aa${counter.toString(16).padStart(12, "0")}` as QkdKeyId;

const withPlaces = (runs: readonly QkdKeyRunOfLength[]) => {
  let offsetBytes = 0;
  return runs.map((run) => {
    const placed = { ...run, offsetBytes };
    offsetBytes += run.count * run.keyBytes;
    return placed;
  });
};

describe("chunks of quarantine", () => {
  const batches = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 8 });

  it("hold every key once, in order, and cross no border, however the keys came in batches", () => {
    fc.assert(
      fc.property(batches, fc.constantFrom(1, 32, 100, 1000, 2000), fc.nat(200), (counts, keyBytes, start) => {
        let from = start;
        for (const count of counts) {
          const runs = withPlaces([{ first: idAt(from), count, keyBytes }]);
          const chunks = cutIntoChunks(runs, SEGMENT_BYTES);
          const ids = chunks.map((chunk) => [...idsOf(chunk.runs)]);
          assert.deepEqual(ids.flat(), [...idsOf(runs)]);
          let at = 0;
          for (const { parts } of chunks) {
            for (const part of parts) {
              assert.equal(part.from, at);
              at = part.to;
            }
          }
          assert.equal(at, count * keyBytes);
          for (const [i, chunk] of ids.entries()) {
            const inside = chunk.slice(1).filter((id) => isBorder(id, keyBytes, SEGMENT_BYTES));
            assert.deepEqual(inside, [], "a border begins a chunk");
            if (i > 0) assert.ok(isBorder(chunk[0]!, keyBytes, SEGMENT_BYTES), "and nothing else does");
          }
          from += count;
        }
      }),
      { numRuns: 300, seed: 9 },
    );
  });

  it("share one chunk where ids follow no order, and are never longer than a segment", () => {
    const anyIds = fc.uniqueArray(fc.nat(1_000_000), { minLength: 1, maxLength: 80 });
    fc.assert(
      fc.property(anyIds, (counters) => {
        const runs = withPlaces(counters.map((counter) => ({ first: idAt(counter), count: 1, keyBytes: 32 })));
        const chunks = cutIntoChunks(runs, SEGMENT_BYTES);
        assert.deepEqual([...idsOf(chunks.flatMap((chunk) => chunk.runs))], counters.map(idAt));
        for (const { parts } of chunks) {
          assert.ok(parts.reduce((sum, { from, to }) => sum + to - from, 0) <= SEGMENT_BYTES);
        }
        const borders = counters.slice(1).filter((counter) => isBorder(idAt(counter), 32, SEGMENT_BYTES)).length;
        assert.ok(chunks.length <= 1 + borders + Math.floor((32 * counters.length) / SEGMENT_BYTES));
      }),
      { numRuns: 300, seed: 10 },
    );
  });
});

describe("a batch of keys", () => {
  it("is made of the keys that were added: ids as runs, bytes joined, and nothing is left behind", () => {
    const keys = fc.array(fc.tuple(fc.nat(50), fc.constantFrom(1, 32, 5000)), { maxLength: 40 });
    fc.assert(
      fc.property(keys, (list) => {
        const builder = new KeyBatchBuilder();
        assert.equal(builder.take(), undefined);
        for (const [counter, length] of list) builder.add(idAt(counter), new Uint8Array(length).fill(counter));
        const batch = builder.take();
        assert.equal(builder.take(), undefined);
        if (list.length === 0) return assert.equal(batch, undefined);
        assert.deepEqual(
          [...idsOf(batch!.runs)],
          list.map(([counter]) => idAt(counter)),
        );
        assert.equal(batch!.last, idAt(list.at(-1)![0]));
        using material = batch!.material;
        const expected = list.flatMap(([counter, length]) => Array<number>(length).fill(counter));
        assert.deepEqual([...material.expose((bytes) => bytes)], expected);
      }),
      { numRuns: 100, seed: 11 },
    );
  });
});
