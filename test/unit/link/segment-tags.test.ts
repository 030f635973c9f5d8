import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  answerTag,
  framesHashKey,
  openingTag,
  openingVerifies,
  proposalTag,
  proposalVerifies,
  witnessedTag,
  witnessedVerifies,
} from "../../../src/link/segment-tags.ts";
import { segmentName, type LinkId } from "../../../src/model/ids.ts";
import { createSeededRandom } from "../../fakes/seeded-random.ts";

const LINK = "a--b" as LinkId;
const name = { link: LINK, segment: segmentName(7, 1) };
const manifest = new TextEncoder().encode("which keys, whose, until when");

function segmentOf(seed: string, lengthBytes = 256): Uint8Array<ArrayBuffer> {
  const segment = new Uint8Array(new ArrayBuffer(lengthBytes));
  createSeededRandom(seed).fill(segment);
  return segment;
}

describe("what the header of a segment pays for", () => {
  const segment = segmentOf("tags");
  const tags = {
    proposal: proposalTag(segment, manifest),
    answer: answerTag(segment, manifest),
    opening: openingTag(segment, name),
    witnessed: witnessedTag(segment, name),
  };

  it("each statement verifies with its own tag and with no other's", () => {
    for (const [statement, tag] of Object.entries(tags)) {
      assert.equal(proposalVerifies(segment, manifest, tag), statement === "proposal");
      assert.equal(openingVerifies(segment, name, tag), statement === "opening");
      assert.equal(witnessedVerifies(segment, name, tag), statement === "witnessed");
    }
    assert.equal(new Set(Object.values(tags).map((tag) => Buffer.from(tag).toString("hex"))).size, 4);
  });

  it("a tag holds for its own segment, link, name and manifest only", () => {
    const other = segmentOf("other");
    assert.ok(!proposalVerifies(other, manifest, tags.proposal));
    assert.ok(!openingVerifies(other, name, tags.opening));
    assert.ok(!openingVerifies(segment, { ...name, segment: segmentName(7, 2) }, tags.opening));
    assert.ok(!witnessedVerifies(segment, { ...name, link: "a--c" as LinkId }, tags.witnessed));
    for (let bit = 0; bit < 8 * manifest.length; bit++) {
      const changed = manifest.slice();
      changed[bit >> 3]! ^= 1 << (bit & 7);
      assert.ok(!proposalVerifies(segment, changed, tags.proposal));
    }
    assert.ok(!proposalVerifies(segment, manifest.subarray(1), tags.proposal));
  });

  it("any bit that differs between the ends, of pads and payload to come, breaks the proposal", () => {
    for (let bit = 8 * 32; bit < 8 * segment.length; bit++) {
      const theirs = segment.slice();
      theirs[bit >> 3]! ^= 1 << (bit & 7);
      assert.ok(!proposalVerifies(theirs, manifest, tags.proposal), `bit ${bit}`);
    }
  });

  it("a wrong bit in the pad of the proposal breaks it as well; so does one in the hash key that counts", () => {
    for (let bit = 8 * 16; bit < 8 * 32; bit++) {
      const theirs = segment.slice();
      theirs[bit >> 3]! ^= 1 << (bit & 7);
      assert.ok(!proposalVerifies(theirs, manifest, tags.proposal));
    }
    let ignored = 0;
    for (let bit = 0; bit < 128; bit++) {
      const theirs = segment.slice();
      theirs[bit >> 3]! ^= 1 << (bit & 7);
      if (proposalVerifies(theirs, manifest, tags.proposal)) ignored += 1;
    }
    assert.equal(ignored, 22, "of r, the 22 bits that RFC 8439 clears");
  });

  it("the ends of a segment do not shift into each other: a longer segment is another one", () => {
    const longer = new Uint8Array([...segment, 0]);
    assert.ok(!proposalVerifies(longer, manifest, tags.proposal));
    assert.ok(!proposalVerifies(segment.subarray(0, -1), manifest, tags.proposal));
  });

  it("the hash key of frames is none of the bytes that other tags are made of", () => {
    assert.deepEqual(framesHashKey(segment), segment.subarray(48, 64));
  });
});
