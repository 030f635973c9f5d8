import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { KeyClass, KeyId, SaeId } from "../../src/model/ids.ts";
import { KeyMaterial } from "../../src/model/key-material.ts";
import { createKeyIdCodec, type KeyIdCodec, type KeyPlace } from "../../src/supply/key-id.ts";
import { createSeededRandom } from "../fakes/seeded-random.ts";

function codecOf(secret: string, keyClass = "default", version: 8 | 4 = 8): KeyIdCodec {
  using material = KeyMaterial.allocate(64);
  material.expose((bytes) => createSeededRandom(secret).fill(bytes));
  return createKeyIdCodec(material, keyClass as KeyClass, version);
}

const pair = { initiator: "sae-1" as SaeId, target: "sae-2" as SaeId };
const place: fc.Arbitrary<KeyPlace> = fc.record(
  {
    number: fc.nat(0xffff_ffff),
    offsetBytes: fc.nat(0xffff),
    lengthBytes: fc.integer({ min: 1, max: 0x3fff }),
  },
  { noNullPrototype: true },
);
const consecutive = (count: number): KeyPlace[] =>
  Array.from({ length: count }, (_, i) => ({ number: 1, offsetBytes: 32 * i, lengthBytes: 32 }));

function flip(id: KeyId, bit: number): KeyId {
  const digits = [...id.replaceAll("-", "")];
  const at = bit >> 2;
  digits[at] = (Number.parseInt(digits[at]!, 16) ^ (1 << (bit & 3))).toString(16);
  const hex = digits.join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-") as KeyId;
}

describe("the id of a key", () => {
  const codec = codecOf("pool");

  it("says where the key is, for every place there can be, in either version", () => {
    for (const version of [8, 4] as const) {
      const other = codecOf("pool", "default", version);
      fc.assert(
        fc.property(fc.array(place, { minLength: 1, maxLength: 8 }), (places) => {
          const ids = other.make(pair, places);
          for (const [i, id] of ids.entries()) {
            assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-[48][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
            assert.equal(id[14], String(version), "the version that the client was promised");
            assert.deepEqual(other.read(pair, id), { kind: "ours", place: places[i] });
          }
        }),
        { numRuns: 200, seed: 41 },
      );
    }
  });

  it("is the same whether it is made alone or among others, and read in capitals as well", () => {
    const places = consecutive(10);
    const together = codec.make(pair, places);
    assert.deepEqual(
      places.flatMap((one) => codec.make(pair, [one])),
      together,
    );
    assert.equal(codec.read(pair, together[3]!.toUpperCase() as KeyId).kind, "ours");
  });

  it("is foreign to every other pair, the turned-round one too, and tells nothing about the place", () => {
    const [id] = codec.make(pair, consecutive(1));
    for (const other of [
      { initiator: pair.target, target: pair.initiator },
      { ...pair, target: "sae-3" as SaeId },
      { ...pair, initiator: "sae-3" as SaeId },
      { initiator: "sae-1\u00a0" as SaeId, target: "sae-2" as SaeId },
    ]) {
      assert.deepEqual(codec.read(other, id!), { kind: "foreign" });
    }
  });

  it("is unknown to another pool, epoch, class or version", () => {
    let foreign = 0;
    for (const id of codec.make(pair, consecutive(200))) {
      for (const other of [codecOf("other epoch"), codecOf("pool", "gold"), codecOf("pool", "default", 4)]) {
        const { kind } = other.read(pair, id);
        assert.notEqual(kind, "ours");
        if (kind === "foreign") foreign += 1; // one in 65,536 by chance
      }
    }
    assert.ok(foreign <= 1);
  });

  it("with any bit altered is never ours", () => {
    let foreign = 0;
    for (const id of codec.make(pair, consecutive(60))) {
      for (let bit = 0; bit < 128; bit++) {
        const { kind } = codec.read(pair, flip(id, bit));
        assert.notEqual(kind, "ours", `${id}, bit ${bit}`);
        if (kind === "foreign") foreign += 1;
      }
    }
    assert.ok(foreign <= 3, `${foreign} of 7,680 look as if made for another pair: one in 65,536 by chance`);
  });

  it("that was guessed is unknown", () => {
    const random = createSeededRandom("guesses");
    const bytes = new Uint8Array(new ArrayBuffer(16));
    let known = 0;
    for (let guess = 0; guess < 20_000; guess++) {
      random.fill(bytes);
      bytes[6] = 0x80 | (bytes[6]! & 0x0f);
      bytes[8] = 0x80 | (bytes[8]! & 0x3f);
      const hex = Buffer.from(bytes).toString("hex");
      const { kind } = codec.read(pair, hex as KeyId);
      assert.notEqual(kind, "ours");
      if (kind !== "unknown") known += 1;
    }
    assert.ok(known <= 4);
  });

  it("shows no order: of keys cut one after the other, every free bit changes about every second time", () => {
    const ids = codec.make(pair, consecutive(1000)).map((id) => id.replaceAll("-", ""));
    assert.equal(new Set(ids).size, 1000);
    const bitOf = (id: string, bit: number): number => (Number.parseInt(id[bit >> 2]!, 16) >> (bit & 3)) & 1;
    const fixed = [48, 49, 50, 51, 66, 67]; // version and variant, counted from each digit's low bit
    for (let bit = 0; bit < 128; bit++) {
      const changes = ids.filter((id, i) => i > 0 && bitOf(id, bit) !== bitOf(ids[i - 1]!, bit)).length;
      if (fixed.includes(bit)) assert.equal(changes, 0);
      else assert.ok(changes > 400 && changes < 600, `bit ${bit} changes ${changes} times`);
    }
    const rising = ids.filter((id, i) => i > 0 && id > ids[i - 1]!).length;
    assert.ok(rising > 420 && rising < 580, `${rising} of 999 rise`);
  });
});
