import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { poly1305 } from "@noble/ciphers/_poly1305.js";
import fc from "fast-check";
import { oneTimeTag, tagVerifies } from "../../../src/link/one-time-tag.ts";

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(" ", ""), "hex"));
const hex = (tag: Uint8Array): string => Buffer.from(tag).toString("hex");
const number = (littleEndian: Uint8Array): bigint => {
  let value = 0n;
  for (const byte of [...littleEndian].reverse()) value = (value << 8n) | BigInt(byte);
  return value;
};

/** RFC 8439, section 2.5.1, word for word. Not constant in time: an oracle for tests. */
function referenceTag(r: Uint8Array, s: Uint8Array, message: Uint8Array): string {
  const clamped = number(r) & 0x0ffffffc_0ffffffc_0ffffffc_0fffffffn;
  let accumulator = 0n;
  for (let at = 0; at < message.length; at += 16) {
    const block = message.subarray(at, at + 16);
    accumulator = ((accumulator + number(block) + (1n << BigInt(8 * block.length))) * clamped) % ((1n << 130n) - 5n);
  }
  const tag = (accumulator + number(s)) & ((1n << 128n) - 1n);
  return hex(Uint8Array.from({ length: 16 }, (_, i) => Number((tag >> BigInt(8 * i)) & 0xffn)));
}

const ZERO = "00".repeat(16);
const ietf = Buffer.from(
  'Any submission to the IETF intended by the Contributor for publication as all or part of an IETF Internet-Draft or RFC and any statement made within the context of an IETF activity is considered an "IETF Contribution". Such statements include oral statements in IETF sessions, as well as written and electronic communications made at any time or place, which are addressed to',
).toString("hex");
const jabberwocky = Buffer.from(
  "'Twas brillig, and the slithy toves\nDid gyre and gimble in the wabe:\nAll mimsy were the borogoves,\nAnd the mome raths outgrabe.",
).toString("hex");

/** Section 2.5.2, then appendix A.3 (the later ones sit at the edges of the reduction). */
const vectors: readonly (readonly [name: string, r: string, s: string, message: string, tag: string])[] = [
  [
    "2.5.2",
    "85d6be7857556d337f4452fe42d506a8",
    "0103808afb0db2fd4abff6af4149f51b",
    Buffer.from("Cryptographic Forum Research Group").toString("hex"),
    "a8061dc1305136c6c22b8baf0c0127a9",
  ],
  ["A.3 #1", ZERO, ZERO, "00".repeat(64), ZERO],
  ["A.3 #2", ZERO, "36e5f6b5c5e06070f0efca96227a863e", ietf, "36e5f6b5c5e06070f0efca96227a863e"],
  ["A.3 #3", "36e5f6b5c5e06070f0efca96227a863e", ZERO, ietf, "f3477e7cd95417af89a6b8794c310cf0"],
  [
    "A.3 #4",
    "1c9240a5eb55d38af333888604f6b5f0",
    "473917c1402b80099dca5cbc207075c0",
    jabberwocky,
    "4541669a7eaaee61e708dc7cbcc5eb62",
  ],
  ["A.3 #5", `02${"00".repeat(15)}`, ZERO, "ff".repeat(16), `03${"00".repeat(15)}`],
  ["A.3 #6", `02${"00".repeat(15)}`, "ff".repeat(16), `02${"00".repeat(15)}`, `03${"00".repeat(15)}`],
  [
    "A.3 #7",
    `01${"00".repeat(15)}`,
    ZERO,
    `${"ff".repeat(16)}f0${"ff".repeat(15)}11${"00".repeat(15)}`,
    `05${"00".repeat(15)}`,
  ],
  ["A.3 #8", `01${"00".repeat(15)}`, ZERO, `${"ff".repeat(16)}fb${"fe".repeat(15)}${"01".repeat(16)}`, ZERO],
  ["A.3 #9", `02${"00".repeat(15)}`, ZERO, `fd${"ff".repeat(15)}`, `fa${"ff".repeat(15)}`],
  [
    "A.3 #10",
    "01000000000000000400000000000000",
    ZERO,
    `e33594d7505e43b900000000000000003394d7505e4379cd0100000000000000${ZERO}01${"00".repeat(15)}`,
    "14000000000000005500000000000000",
  ],
  [
    "A.3 #11",
    "01000000000000000400000000000000",
    ZERO,
    `e33594d7505e43b900000000000000003394d7505e4379cd0100000000000000${ZERO}`,
    `13${"00".repeat(15)}`,
  ],
];

/** QKDND_CASES=1000000 for a long look, at other cases each time. */
const asked = process.env["QKDND_CASES"];
const CASES = Number(asked ?? 6_000);
const CHANCE = asked === undefined ? { seed: 1 } : {};

const block16 = fc.uint8Array({ minLength: 16, maxLength: 16 });
/** Limbs at their ends are where carries go wrong. */
const edge16 = fc.array(fc.constantFrom(0x00, 0x01, 0xfb, 0xfc, 0xff), { minLength: 16, maxLength: 16 });
const key16 = fc.oneof(
  block16,
  edge16.map((list) => Uint8Array.from(list)),
);
const message = fc.oneof(
  fc.uint8Array({ maxLength: 100 }),
  fc.array(fc.constantFrom(0x00, 0xfb, 0xff), { maxLength: 80 }).map((list) => Uint8Array.from(list)),
);

describe("one-time tag", () => {
  for (const [name, r, s, text, tag] of vectors) {
    it(`gives the tag of RFC 8439, ${name}`, () => {
      assert.equal(hex(oneTimeTag(bytes(r), bytes(s), [bytes(text)])), tag);
      assert.equal(referenceTag(bytes(r), bytes(s), bytes(text)), tag, "the reference is right as well");
    });
  }

  it("is what an independent Poly1305 gives for the key r | s", () => {
    fc.assert(
      fc.property(key16, key16, message, (r, s, text) => {
        const theirs = poly1305(text, Uint8Array.from([...r, ...s]));
        return hex(oneTimeTag(r, s, [text])) === hex(theirs);
      }),
      { numRuns: CASES, ...CHANCE },
    );
  });

  it("is what the definition says, in whole numbers", () => {
    fc.assert(
      fc.property(key16, key16, message, (r, s, text) => hex(oneTimeTag(r, s, [text])) === referenceTag(r, s, text)),
      { numRuns: CASES, ...CHANCE },
    );
  });

  it("of a long message is right too, where many reductions follow each other", () => {
    const long = new Uint8Array(65_536 + 7).fill(0xff);
    const r = new Uint8Array(16).fill(0xff);
    assert.equal(hex(oneTimeTag(r, r, [long])), referenceTag(r, r, long));
  });

  it("does not depend on how the message is cut into parts", () => {
    fc.assert(
      fc.property(
        key16,
        key16,
        fc.uint8Array({ maxLength: 200 }),
        fc.array(fc.nat(200), { maxLength: 8 }),
        (r, s, text, cuts) => {
          const at = [0, ...cuts.map((cut) => Math.min(cut, text.length)).sort((a, b) => a - b), text.length];
          const parts = at.slice(1).map((to, i) => text.subarray(at[i], to));
          return hex(oneTimeTag(r, s, parts)) === hex(oneTimeTag(r, s, [text]));
        },
      ),
      { numRuns: 2_000, seed: 3 },
    );
  });

  it("verifies for its own message, keys and tag only", () => {
    const r = bytes("85d6be7857556d337f4452fe42d506a8");
    const s = bytes("0103808afb0db2fd4abff6af4149f51b");
    const text = new Uint8Array(40).fill(7);
    const tag = oneTimeTag(r, s, [text]);
    assert.ok(tagVerifies(r, s, [text], tag));
    for (let bit = 0; bit < 128; bit++) {
      const other = tag.slice();
      other[bit >> 3]! ^= 1 << (bit & 7);
      assert.ok(!tagVerifies(r, s, [text], other));
    }
    for (let bit = 0; bit < 320; bit++) {
      const other = text.slice();
      other[bit >> 3]! ^= 1 << (bit & 7);
      assert.ok(!tagVerifies(r, s, [other], tag));
    }
    assert.ok(!tagVerifies(r, s, [text], tag.subarray(0, 15)), "a short tag is no tag");
    assert.ok(!tagVerifies(r, s, [text], Uint8Array.from([...tag, 0])), "nor a long one");
  });
});
