/** The quantum side of an emulated link: the same blocks at both ends, bounded, and wrong where asked for. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createRandomBlockSource, createSeededBlockSource } from "../../../src/emulator/block-source.ts";
import { LinkPair, type LinkEnd, type LinkPairOptions } from "../../../src/emulator/link-pair.ts";
import { createSystemRandom } from "../../../src/io/system-random.ts";
import { createVirtualWorldClock } from "../../fakes/virtual-clock.ts";

const random = createSystemRandom();

function openPair(options: Partial<LinkPairOptions> = {}, seed?: string) {
  const world = createVirtualWorldClock({ wallStartMs: 0 });
  const blocks = seed === undefined ? createRandomBlockSource(random) : createSeededBlockSource(seed);
  const pair = new LinkPair(
    { rateBps: 80_000, qber: 0.03, blockBytes: 100, keptBytesMax: 100_000, ...options },
    { blocks, clock: world.clockFor("modules"), random },
  );
  return { world, pair };
}

const bytesOf = (pair: LinkPair, end: LinkEnd, number: number): string =>
  Buffer.from(pair.block(end, number)!.bytes).toString("base64");

describe("a pair of modules", () => {
  it("generates as much as its rate says, with jitter", async () => {
    const { world, pair } = openPair();
    await world.run(5000);
    assert.ok(Math.abs(pair.generatedBlocks - 500) < 30, `${pair.generatedBlocks} of 500 blocks`);
  });

  it("gives both ends the same blocks with the same ids, and never a block twice", async () => {
    const { world, pair } = openPair();
    await world.run(1000);
    const seen = new Set<string>();
    for (let number = 0; number < pair.generatedBlocks; number++) {
      assert.equal(bytesOf(pair, "a", number), bytesOf(pair, "b", number));
      assert.equal(pair.block("a", number)!.id, pair.block("b", number)!.id);
      assert.equal(pair.numberOf(pair.block("a", number)!.id), number);
      seen.add(bytesOf(pair, "a", number));
    }
    assert.equal(seen.size, pair.generatedBlocks);
  });

  it("begins a new run each time, unless there is a seed", async () => {
    const runs = await Promise.all(
      [undefined, undefined, "s", "s", "t"].map(async (seed) => {
        const { world, pair } = openPair({}, seed);
        await world.run(100);
        return { id: pair.block("a", 0)!.id, bytes: bytesOf(pair, "a", 0) };
      }),
    );
    const [one, other, seeded, again, differently] = runs;
    assert.notEqual(one!.id, other!.id);
    assert.deepEqual(seeded, again);
    assert.notEqual(seeded!.id, differently!.id);
    assert.notEqual(seeded!.bytes, differently!.bytes);
  });

  it("stops when an end has not acknowledged what it may keep, and goes on when it has", async () => {
    const { world, pair } = openPair({ keptBytesMax: 1000 });
    await world.run(60_000);
    assert.equal(pair.generatedBlocks, 10);
    pair.acknowledge("a", 9);
    await world.run(1000);
    assert.equal(pair.generatedBlocks, 10, "the other end lacks it still");
    pair.acknowledge("b", 4);
    await world.run(1000);
    assert.equal(pair.generatedBlocks, 15);
  });

  it("overwrites a block when both ends have acknowledged it", async () => {
    const { world, pair } = openPair();
    await world.run(100);
    const { bytes } = pair.block("a", 0)!;
    pair.acknowledge("a", 0);
    assert.ok(bytes.some((byte) => byte !== 0));
    pair.acknowledge("b", 0);
    assert.ok(bytes.every((byte) => byte === 0));
    assert.equal(pair.block("a", 0), undefined);
  });

  it("generates nothing while the fibre is cut, and says so", async () => {
    const { world, pair } = openPair();
    await world.run(1000);
    pair.setCut(true);
    const before = pair.generatedBlocks;
    await world.run(10_000);
    assert.equal(pair.generatedBlocks, before);
    assert.deepEqual(pair.status(), { state: "aligning", reason: "no light from the other end" });
    pair.setCut(false);
    await world.run(1000);
    const made = pair.generatedBlocks - before;
    assert.ok(made > 80 && made < 160, `${made} blocks: what was missed is not made up for`);
    const { state, qber } = pair.status();
    assert.equal(state, "generating");
    assert.ok(Math.abs(qber! - 0.03) < 0.001);
  });

  it("flips one bit of the next block of one end, however often it is given", async () => {
    const { world, pair } = openPair();
    await world.run(500);
    bytesOf(pair, "a", 0);
    pair.flipNextBit("a");
    for (let time = 0; time < 2; time++) {
      const [atA, atB] = [pair.block("a", 1)!.bytes, pair.block("b", 1)!.bytes];
      const wrongBits = atA.reduce((sum, byte, i) => sum + (byte ^ atB[i]!).toString(2).replaceAll("0", "").length, 0);
      assert.equal(wrongBits, 1);
    }
    assert.equal(bytesOf(pair, "a", 0), bytesOf(pair, "b", 0));
    assert.equal(bytesOf(pair, "a", 2), bytesOf(pair, "b", 2));
  });

  it("withholds the next block at one end; the block is done with when those after it are", async () => {
    const { world, pair } = openPair();
    await world.run(500);
    bytesOf(pair, "a", 0);
    pair.withholdNext("a");
    assert.deepEqual(
      [0, 1, 2].map((number) => pair.isWithheld("a", number)),
      [false, true, false],
    );
    assert.equal(pair.isWithheld("b", 1), false);
    pair.acknowledge("a", 2);
    pair.acknowledge("b", 2);
    assert.equal(pair.isWithheld("a", 1), false, "forgotten with the block");
    assert.equal(pair.block("b", 1), undefined);
  });

  it("gives a tenth at a slow end, and at the other end no more than that", async () => {
    const { world, pair } = openPair();
    let given = 0;
    const take = async (seconds: number): Promise<number> => {
      const before = given;
      for (let at = 0; at < 100 * seconds; at++) {
        await world.run(10);
        while (pair.block("a", given) !== undefined) pair.acknowledge("a", given++);
        pair.acknowledge("b", pair.generatedBlocks - 1);
      }
      return given - before;
    };
    const atFullRate = await take(10);
    pair.setSlow("a", true);
    assert.equal(pair.status().secretKeyRateBps, 8_000);
    const slow = await take(10);
    assert.ok(slow > 0.08 * atFullRate && slow < 0.12 * atFullRate, `${slow} instead of ${atFullRate} blocks`);
    assert.ok(pair.generatedBlocks - given <= 31, "the other end is at most three seconds ahead");
    pair.setSlow("a", false);
    assert.ok((await take(10)) > 0.9 * atFullRate);
  });

  it("is faulty, and says why, where no key is left over", async () => {
    const { world, pair } = openPair({ rateBps: 0 });
    await world.run(10_000);
    assert.equal(pair.generatedBlocks, 0);
    assert.deepEqual(pair.status(), { state: "faulty", reason: "the loss is too high for any key" });
  });
});
