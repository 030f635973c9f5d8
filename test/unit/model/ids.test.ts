import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isQkdError } from "../../../src/model/errors.ts";
import {
  linkEnds,
  linkIdBetween,
  NO_SEGMENT,
  parseKeyClass,
  parseNodeId,
  parseQkdKeyId,
  parseSaeId,
  parseSegmentName,
  segmentEpoch,
  segmentName,
  segmentNumber,
} from "../../../src/model/ids.ts";

const refused = (code: "CONFIG_INVALID" | "REQUEST_INVALID") => (failure: unknown) => isQkdError(failure, code);

describe("names of a QKD network", () => {
  it("a node id is 1 to 32 of a-z, 0-9 and single dashes inside", () => {
    for (const good of ["a", "9", "vienna-2", "a".repeat(32)]) assert.equal(parseNodeId(good), good);
    for (const bad of ["", "-a", "a-", "a--b", "A", "a_b", "a b", "ä", "a".repeat(33), "a\n", "a/b"]) {
      assert.throws(() => parseNodeId(bad), refused("CONFIG_INVALID"), JSON.stringify(bad));
    }
  });

  it("an SAE id is 1 to 300 characters, none of them a control character", () => {
    for (const good of ["x", "urn:sae:Ä/1 2", "s".repeat(300)]) assert.equal(parseSaeId(good), good);
    for (const bad of ["", "s".repeat(301), "a\nb", "a\u0000", "a\u007f"]) {
      assert.throws(() => parseSaeId(bad), refused("CONFIG_INVALID"), JSON.stringify(bad));
    }
  });

  it("a key class is a lower-case word of at most 16 characters", () => {
    for (const good of ["default", "gold-2", "a".repeat(16)]) assert.equal(parseKeyClass(good), good);
    for (const bad of ["", "2a", "-a", "Gold", "a".repeat(17), "a/b"]) {
      assert.throws(() => parseKeyClass(bad), refused("CONFIG_INVALID"), JSON.stringify(bad));
    }
  });

  it("a QKD-key id is 1 to 32 bytes of lower-case hex", () => {
    for (const good of ["00", "ff".repeat(32)]) assert.equal(parseQkdKeyId(good), good);
    for (const bad of ["", "0", "0F", "xx", "ff".repeat(33), "00\n"]) {
      assert.throws(() => parseQkdKeyId(bad), refused("REQUEST_INVALID"), JSON.stringify(bad));
    }
  });

  it("a link has one id, whichever end asks, and the smaller node id leads", () => {
    const [a, b] = [parseNodeId("b-node"), parseNodeId("a-node")];
    assert.equal(linkIdBetween(a, b), linkIdBetween(b, a));
    assert.deepEqual(linkEnds(linkIdBetween(a, b)), [b, a]);
  });

  it("text order of segment names is the order of naming, across epochs and digits", () => {
    const named = [
      [0, 1],
      [0, 0xffff_ffff],
      [1, 0],
      [9, 9],
      [10, 1],
      [0xffff_ffff, 0xffff_ffff],
    ].map(([epoch, number]) => segmentName(epoch!, number!));
    assert.deepEqual([...named].sort(), named);
    assert.ok(named.every((name) => name > NO_SEGMENT));
  });

  it("a segment name gives back its epoch and number", () => {
    for (const [epoch, number] of [
      [0, 0],
      [1_900_000_000, 77],
      [0xffff_ffff, 0xffff_ffff],
    ] as const) {
      const name = parseSegmentName(segmentName(epoch, number));
      assert.deepEqual([segmentEpoch(name), segmentNumber(name)], [epoch, number]);
    }
    for (const [epoch, number] of [
      [-1, 0],
      [0, 2 ** 32],
      [NaN, 0],
    ] as const) {
      assert.throws(() => segmentName(epoch, number), RangeError);
    }
    assert.throws(() => parseSegmentName("0".repeat(15)), refused("REQUEST_INVALID"));
    assert.throws(() => parseSegmentName("0".repeat(15) + "G"), refused("REQUEST_INVALID"));
  });
});
