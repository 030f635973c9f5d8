import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { segmentName, type QkdKeyId, type SegmentName } from "../../../src/model/ids.ts";
import { idAfter, idsOf, joinedRuns } from "../../../src/model/qkd-key-runs.ts";
import { lookupIn, segmentRunsOf } from "../../../src/model/segment-runs.ts";

const id = (hex: string): QkdKeyId => hex as QkdKeyId;

describe("runs of QKD-key ids", () => {
  it("a module that counts its keys needs one run, also over a carry", () => {
    const ids = [...idsOf([{ first: id("aa0000fe"), count: 1000 }])];
    assert.equal(ids[2], "aa000100");
    assert.deepEqual(joinedRuns(ids.map((first) => ({ first, count: 1 }))), [{ first: "aa0000fe", count: 1000 }]);
  });

  it("only the last six bytes count: a counter that is full has no successor", () => {
    assert.equal(idAfter(id("ff"), 1), undefined);
    assert.equal(idAfter(id("01ffffffffffff"), 1), undefined);
    assert.equal(idAfter(id("01fffffffffffe"), 1), "01ffffffffffff");
    assert.deepEqual([...idsOf([{ first: id("fe"), count: 4_000_000_000 }])], ["fe", "ff"]);
  });

  it("any list of ids, of any lengths and with repetitions, comes back in its order", () => {
    const ids = fc.array(fc.constantFrom("00", "01", "02", "ff", "0000", "0001", "ffff", "01000000000000"), {
      maxLength: 30,
    });
    fc.assert(
      fc.property(ids, (list) => {
        assert.deepEqual([...idsOf(joinedRuns(list.map((first) => ({ first: first as QkdKeyId, count: 1 }))))], list);
      }),
      { seed: 4 },
    );
  });
});

describe("runs of segment names", () => {
  const names = fc
    .uniqueArray(fc.tuple(fc.nat(2), fc.nat(20)), { selector: ([epoch, number]) => `${epoch}/${number}` })
    .map((list) => list.map(([epoch, number]) => segmentName(epoch, number)).sort());

  it("name exactly the segments that they were made of", () => {
    fc.assert(
      fc.property(names, (list) => {
        const runs = segmentRunsOf(list);
        const held = new Set<SegmentName>(list);
        for (let epoch = 0; epoch <= 3; epoch++) {
          for (let number = 0; number <= 22; number++) {
            const name = segmentName(epoch, number);
            assert.equal(lookupIn(runs)(name), held.has(name));
          }
        }
      }),
      { numRuns: 60, seed: 5 },
    );
  });

  it("are never written out: a neighbour may name four billion", () => {
    const runs = [{ first: segmentName(1, 0), count: 0xffff_ffff }];
    assert.ok(lookupIn(runs)(segmentName(1, 4_000_000_000)));
  });
});
