import assert from "node:assert/strict";
import { test } from "node:test";

import { runSelfTests } from "../../../src/daemon/self-test.ts";
import { createSystemRandom } from "../../../src/io/system-random.ts";
import { oneTimeTag } from "../../../src/link/one-time-tag.ts";
import { BrokenInvariant } from "../../../src/model/assert.ts";

const random = createSystemRandom();

test("this machine computes the known answers", () => {
  runSelfTests({ tag: oneTimeTag, random });
});

test("a tag with one wrong bit, or chance that repeats itself, is no beginning", () => {
  const flipped: typeof oneTimeTag = (...words) => {
    const tag = oneTimeTag(...words);
    tag[15]! ^= 1;
    return tag;
  };
  const says = (what: RegExp) => (failure: unknown) => failure instanceof BrokenInvariant && what.test(failure.message);
  assert.throws(() => runSelfTests({ tag: flipped, random }), says(/the one-time tag/));
  const stuck = { ...random, fill: (bytes: Uint8Array) => void bytes.fill(4) };
  assert.throws(() => runSelfTests({ tag: oneTimeTag, random: stuck }), says(/the random generator/));
});
