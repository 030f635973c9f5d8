import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type SeededRandom, createSeededRandom } from "../../fakes/seeded-random.ts";

function draw(random: SeededRandom, count: number): string {
  const bytes = new Uint8Array(new ArrayBuffer(count));
  random.fill(bytes);
  return Buffer.from(bytes).toString("hex");
}

describe("seeded random", () => {
  it("the same seed gives the same bytes for ever, another seed others", () => {
    assert.equal(draw(createSeededRandom(42), 16), "a7b2af1b1bdf17a87fe87aa13e648a41");
    assert.equal(draw(createSeededRandom(42), 100_000), draw(createSeededRandom("42"), 100_000));
    assert.notEqual(draw(createSeededRandom(43), 16), draw(createSeededRandom(42), 16));
  });

  it("how the bytes are asked for does not matter", () => {
    const inParts = createSeededRandom(1);
    const parts = [1, 7, 16_384, 3, 40_000, 13_605].map((count) => draw(inParts, count));
    assert.equal(parts.join(""), draw(createSeededRandom(1), 70_000));
  });

  it("a fork depends on its name, and not on what was drawn or forked before", () => {
    const [fresh, used] = [createSeededRandom(5), createSeededRandom(5)];
    draw(used, 1_000);
    used.fork("another");
    assert.equal(draw(used.fork("node"), 32), draw(fresh.fork("node"), 32));
    assert.notEqual(draw(fresh.fork("node"), 32), draw(fresh.fork("edon"), 32));
    assert.notEqual(draw(fresh.fork("node").fork("disk"), 32), draw(fresh.fork("node"), 32));
  });

  it("fractions fill [0, 1) evenly", () => {
    const random = createSeededRandom("even");
    const counts = new Array<number>(10).fill(0);
    for (let i = 0; i < 20_000; i++) counts[Math.floor(10 * random.fraction())]! += 1;
    assert.equal(
      counts.reduce((sum, count) => sum + count, 0),
      20_000,
    );
    assert.ok(
      counts.every((count) => count > 1_800 && count < 2_200),
      counts.join(" "),
    );
  });

  it("numbers stay in the bounds asked for", () => {
    const random = createSeededRandom("bounds");
    const seen = new Set<number>();
    for (let i = 0; i < 1_000; i++) {
      seen.add(random.below(3));
      const between = random.between(-2, 5);
      assert.ok(between >= -2 && between < 5);
    }
    assert.deepEqual([...seen].sort(), [0, 1, 2]);
    assert.equal(random.chance(0), false);
    assert.equal(random.chance(1), true);
  });
});
