/** A ring of five in which every key is split over both ways round: what holds then, with and without faults. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { OutboundPool } from "../../src/relay/outbound-pool.ts";
import type { SplitPolicy } from "../../src/relay/split-policy.ts";
import { watchConserved } from "./checkers/conserved.ts";
import { watchEachByteOnce } from "./checkers/each-byte-once.ts";
import { checkRecovers } from "./checkers/recovers.ts";
import { loseSharesAtN4 } from "./lost-share.ts";
import { runWorld } from "./run-world.ts";
import { createWorld, type World } from "./world.ts";

const RING = { nodes: 5, shape: "ring" } as const;
const WAIT: SplitPolicy = { disjointPaths: 2, whenTooFewRoutes: "wait" };

test("all laws hold in a world of split keys under heavy faults, and no node could know one", async () => {
  const run = { ...RING, seed: 42, faults: "heavy", seconds: 20, split: WAIT, requestsPerSecond: 10 } as const;
  const verdict = await runWorld(run);
  assert.deepEqual(verdict.violations, []);
  assert.ok(verdict.keysFetched > 50, `only ${verdict.keysFetched} keys were fetched`);
  assert.ok(verdict.splitKeysFound > 30, `the shares of only ${verdict.splitKeysFound} keys were seen`);
});

const poolOf = (world: World): OutboundPool =>
  world.nodes[0]!.node!.pools.outbound.find(({ id }) => id.remote === "n3")!;

/** Throws away what n1 holds for n3, so that it is brought anew. */
async function burn(world: World): Promise<void> {
  const burning = poolOf(world).burnStock();
  await world.clock.run(50);
  await burning;
}

async function openRing(seed: number, split: SplitPolicy): Promise<World> {
  const world = createWorld({ ...RING, seed, split });
  watchEachByteOnce(world);
  watchConserved(world);
  for (const node of world.nodes) node.start();
  await checkRecovers(world);
  return world;
}

test("a lost share is replaced by a fresh one, and the key comes all the same", async () => {
  const world = await openRing(43, WAIT);
  const { metrics } = world.nodes[0]!;
  const before = metrics.value("qkdn_split_keys_total", "established");
  const losses = loseSharesAtN4(world, 1);
  await burn(world);
  await world.clock.run(6_000);
  assert.equal(losses.lost, 1);
  assert.equal(world.nodes[0]!.metrics.value("qkdn_split_shares_total", "lost"), 1);
  assert.ok(metrics.value("qkdn_split_keys_total", "established") > before);
  await checkRecovers(world);
  assert.deepEqual(world.violations, []);
});

for (const [whenTooFewRoutes, kept, says] of [
  ["wait", 0, /^waits: 1 of 2 disjoint routes/],
  ["refuse", 0, /^refuses: 1 of 2 disjoint routes/],
  ["degrade", 1, undefined],
] as const) {
  test(`while the other way round is cut, a pool whose policy says "${whenTooFewRoutes}" does so`, async () => {
    const world = await openRing(44, { disjointPaths: 2, whenTooFewRoutes });
    const { node } = world.nodes[0]!;
    world.network.cut("n4", "n5");
    assert.ok(await world.clock.runUntil(() => node!.reach.ways(poolOf(world).id).routes.length === 1, 15_000));
    await burn(world);
    await world.clock.run(5_000);
    const pool = poolOf(world);
    assert.equal(pool.stockBytes > 0 ? 1 : 0, kept);
    assert.equal(pool.degradedBytes > 0 ? 1 : 0, kept, "what came by one route is marked");
    const { waits } = node!.scheduler.report(pool);
    if (says === undefined) assert.equal(waits, undefined);
    else assert.match(waits!, says);
    world.network.healAll();
    await checkRecovers(world);
    assert.deepEqual(world.violations, []);
  });
}
