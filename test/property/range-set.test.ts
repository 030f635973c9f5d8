import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { RangeSet } from "../../src/model/range-set.ts";

const SPACE = 64;
const range = fc.tuple(fc.nat(SPACE), fc.nat(SPACE));

describe("used ranges of a segment", () => {
  it("take each byte once, under any sequence of ranges", () => {
    fc.assert(
      fc.property(fc.array(range, { maxLength: 60 }), (ranges) => {
        const set = new RangeSet();
        const taken = new Set<number>();
        for (const [from, to] of ranges) {
          const bytes = Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
          const free = bytes.length > 0 && bytes.every((byte) => !taken.has(byte));
          assert.equal(set.add(from, to), free, `[${from}, ${to})`);
          if (free) for (const byte of bytes) taken.add(byte);
          assert.equal(set.bytes, taken.size, "a refused range changes nothing");
        }
        for (let byte = 0; byte < SPACE; byte++) assert.equal(set.intersects(byte, byte + 1), taken.has(byte));
      }),
      { numRuns: 500, seed: 6 },
    );
  });

  it("come back from a record as they were, in order, neighbours joined", () => {
    fc.assert(
      fc.property(fc.array(range, { maxLength: 40 }), (ranges) => {
        const set = new RangeSet();
        for (const [from, to] of ranges) set.add(from, to);
        const pairs = set.toPairs();
        assert.deepEqual(RangeSet.fromPairs(pairs).toPairs(), pairs);
        for (let i = 1; i < pairs.length; i++) assert.ok(pairs[i - 1]! < pairs[i]!, "strictly rising: no two touch");
      }),
      { numRuns: 300, seed: 7 },
    );
  });
});
