import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { KeyClass, NodeId, SaeId } from "../../../src/model/ids.ts";
import { directoryFingerprints } from "../../../src/supply/directory-fingerprints.ts";
import type { AllowedPair, SaeEntry } from "../../../src/supply/sae-directory.ts";

const sae = (id: string, node: string): SaeEntry => ({ id: id as SaeId, node: node as NodeId });
const pair = (one: string, other: string, keyClass = "default"): AllowedPair => ({
  between: [one as SaeId, other as SaeId],
  keyClass: keyClass as KeyClass,
});

const SAES = [sae("x", "a"), sae("y", "b"), sae("z", "c")];
const PAIRS = [pair("x", "y"), pair("y", "z", "gold")];
const own = directoryFingerprints(SAES, PAIRS);

describe("two directories", () => {
  it("that say the same have the same fingerprints, in whatever order they say it", () => {
    assert.deepEqual(directoryFingerprints(SAES.toReversed(), [pair("z", "y", "gold"), pair("y", "x")]), own);
    assert.deepEqual(directoryFingerprints(SAES, [pair("x", "y", "gold"), ...PAIRS]), own, "the last word counts");
    for (const fingerprint of Object.values(own)) assert.match(fingerprint, /^[0-9a-f]{32}$/);
  });

  for (const [what, saes, pairs, differing] of [
    ["an SAE more", [...SAES, sae("w", "a")], PAIRS, "saes"],
    ["an SAE at another node", [sae("x", "c"), ...SAES.slice(1)], PAIRS, "saes"],
    ["a pair more", SAES, [...PAIRS, pair("x", "z")], "pairs"],
    ["a pair in another class", SAES, [PAIRS[0]!, pair("y", "z")], "pairs"],
    ["names that only look alike when joined", [sae('x","a', "b"), ...SAES.slice(1)], PAIRS, "saes"],
  ] as const) {
    it(`with ${what} differ in "${differing}" alone`, () => {
      const other = directoryFingerprints(saes, pairs);
      for (const section of ["saes", "pairs"] as const) {
        assert.equal(other[section] !== own[section], section === differing, section);
      }
    });
  }
});
