import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { IdRanges } from "../../src/model/id-ranges.ts";
import type { QkdKeyId } from "../../src/model/ids.ts";
import { idsOf, type QkdKeyRun } from "../../src/model/qkd-key-runs.ts";

const SPACE = 40;
const STEMS = ["aa", "bb", ""];
const idAt = (stem: string, counter: number): QkdKeyId => (stem + counter.toString(16).padStart(12, "0")) as QkdKeyId;

const run = fc
  .tuple(fc.constantFrom(...STEMS), fc.nat(SPACE), fc.integer({ min: 1, max: 12 }))
  .map(([stem, from, count]): QkdKeyRun => ({ first: idAt(stem, from), count }));
const step = fc.record({ run, value: fc.nat(2), adds: fc.boolean() });

describe("what is known of ids", () => {
  it("is what a map of single ids would know, whatever was added, overlapping or not, and removed", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 50 }), run, (steps, asked) => {
        const ranges = new IdRanges<number>();
        const single = new Map<QkdKeyId, number>();
        for (const { run: ids, value, adds } of steps) {
          const fresh = [...idsOf([ids])].filter((id) => !single.has(id));
          if (adds) {
            for (const id of fresh) single.set(id, value);
            assert.equal(ranges.add(ids, value), fresh.length);
          } else {
            for (const id of idsOf([ids])) single.delete(id);
            ranges.remove(ids);
          }
        }
        for (const id of idsOf([asked])) assert.equal(ranges.get(id), single.get(id));
        const held = [...idsOf([asked])].filter((id) => single.has(id));
        assert.deepEqual([...idsOf(ranges.parts(asked))], held);
        const missing = [...idsOf([asked])].filter((id) => !single.has(id));
        assert.deepEqual([...idsOf(ranges.gaps(asked))], missing);
        assert.deepEqual(new Set(idsOf(ranges.entries())), new Set(single.keys()));
        assert.equal([...ranges.entries()].length, ranges.rangeCount);
      }),
      { numRuns: 500, seed: 8 },
    );
  });

  it("takes one entry for keys that follow each other, however they came", () => {
    const ranges = new IdRanges<string>();
    for (let from = 0; from < 10_000; from += 10) ranges.add({ first: idAt("aa", from), count: 10 }, "same");
    assert.equal(ranges.rangeCount, 1);
  });
});
