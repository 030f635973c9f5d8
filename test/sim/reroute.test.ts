/** A ring of five whole nodes: when a link or a node goes, pools are refilled the other way round. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TrustedNode } from "../../src/node/trusted-node.ts";
import type { OutboundPool } from "../../src/relay/outbound-pool.ts";
import { watchConserved } from "./checkers/conserved.ts";
import { watchEachByteOnce } from "./checkers/each-byte-once.ts";
import { checkRecovers } from "./checkers/recovers.ts";
import type { SimNode } from "./sim-node.ts";
import { createWorld, saeAt, type World } from "./world.ts";

/** Silence of 5 s, the flood, and a relay that failed meanwhile. */
const REROUTED_MS_MAX = 15_000;

async function openRing(seed: number): Promise<World> {
  const world = createWorld({ seed, nodes: 5, shape: "ring" });
  watchEachByteOnce(world);
  watchConserved(world);
  for (const node of world.nodes) node.start();
  await checkRecovers(world); // all links are up, all pools full
  return world;
}

const nodeOf = (world: World, id: string): SimNode => world.nodes.find((node) => node.id === id)!;
const at = (world: World, id: string): TrustedNode => nodeOf(world, id).node!;

const routeBetween = (world: World, from: string, to: string): string | undefined =>
  at(world, from).topology.router.route(nodeOf(world, to).id)?.join(" ");

const poolOf = (world: World, from: string, to: string): OutboundPool =>
  at(world, from).pools.outbound.find(({ id }) => id.remote === to)!;

/** Throws away what is there, and waits until the pool is at its mark again. */
async function refills(world: World, from: string, to: string): Promise<boolean> {
  const pool = poolOf(world, from, to);
  const burning = pool.burnStock();
  await world.clock.run(100);
  await burning;
  const node = at(world, from);
  const isFull = (): boolean => {
    const view = node.view(pool);
    return view.stockBytes >= node.scheduler.report(pool).plan.lowKeys * view.keyBytes;
  };
  return world.clock.runUntil(isFull, REROUTED_MS_MAX);
}

test("while a link is cut its relays go the other way round, and the short way again when it is mended", async () => {
  const world = await openRing(31);
  assert.equal(routeBetween(world, "n1", "n3"), "n2 n3");
  world.network.cut("n2", "n3");
  assert.ok(await world.clock.runUntil(() => routeBetween(world, "n1", "n3") === "n5 n4 n3", REROUTED_MS_MAX));
  assert.ok(await refills(world, "n1", "n3"), "the pool of n1 for n3 was not refilled");
  assert.ok(await refills(world, "n2", "n3"), "the pool of n2 for its neighbour n3 was not refilled");
  assert.equal(routeBetween(world, "n2", "n3"), "n1 n5 n4 n3");
  world.network.healAll();
  assert.ok(await world.clock.runUntil(() => routeBetween(world, "n1", "n3") === "n2 n3", REROUTED_MS_MAX));
  await checkRecovers(world);
  assert.deepEqual(world.violations, []);
});

test("while a node is dead, relays between the others go round it, and reach it when it is back", async () => {
  const world = await openRing(32);
  nodeOf(world, "n2").kill();
  assert.ok(await world.clock.runUntil(() => routeBetween(world, "n1", "n3") === "n5 n4 n3", REROUTED_MS_MAX));
  assert.ok(await refills(world, "n1", "n3"), "the pool of n1 for n3 was not refilled");
  assert.ok(await world.clock.runUntil(() => routeBetween(world, "n4", "n2") === undefined, REROUTED_MS_MAX));
  nodeOf(world, "n2").start();
  assert.ok(await world.clock.runUntil(() => routeBetween(world, "n4", "n2") === "n3 n2", REROUTED_MS_MAX));
  await checkRecovers(world);
  assert.deepEqual(world.violations, []);
});

test("two islands know only themselves, and all of the ring as soon as one link joins them", async () => {
  const world = await openRing(33);
  world.network.cut("n2", "n3");
  world.network.cut("n1", "n5");
  await world.clock.run(30_000);
  assert.deepEqual(at(world, "n1").topology.router.nodes(), ["n2", "n5"], "n5 is a neighbour, though out of reach");
  assert.equal(routeBetween(world, "n1", "n4"), undefined);
  assert.equal(routeBetween(world, "n1", "n2"), "n2");
  assert.equal(routeBetween(world, "n5", "n3"), "n4 n3");
  world.network.heal("n2", "n3");
  assert.ok(await world.clock.runUntil(() => routeBetween(world, "n1", "n5") === "n2 n3 n4 n5", REROUTED_MS_MAX));
  assert.ok(await refills(world, "n1", "n5"), "the pool of n1 for its neighbour n5 was not refilled the long way");
  world.network.healAll();
  await checkRecovers(world);
  assert.deepEqual(world.violations, []);
});

test("a relay that gets no answer the short way is sent the other way, within its order", async () => {
  const world = await openRing(34);
  let lost = 0;
  world.network.tamper((from, to, message) => {
    if (message.kind !== "relay-reservation" || from !== "n2" || to !== "n3") return message;
    lost += 1;
    return undefined;
  });
  assert.ok(await refills(world, "n1", "n3"));
  assert.ok(lost > 0, "nothing was sent the short way");
  const { orders } = at(world, "n1").scheduler.report(poolOf(world, "n1", "n3"));
  assert.equal(orders.findLast(({ result }) => result !== undefined)?.result?.outcome, "established");
  assert.deepEqual(world.violations, []);
});

test("an SAE that finds no stock while a node on the short way stands still gets its keys the other way, in time", async () => {
  const world = await openRing(35);
  const [initiator, target] = [nodeOf(world, "n1"), nodeOf(world, "n3")];
  const pool = poolOf(world, "n1", "n3");
  world.network.cut("n1", "n2", { oneWay: true, endSessionsAfterMs: 60_000 }); // its neighbours have not noticed yet
  const burning = pool.burnStock();
  await world.clock.run(50);
  await burning;
  assert.equal(routeBetween(world, "n1", "n3"), "n2 n3");
  let given = 0;
  const pair = { initiator: saeAt(initiator.id), target: saeAt(target.id) };
  const asked = initiator.node!.supply.encryptionKeys({ pair, count: 4, sizeBits: 256 }, new AbortController().signal);
  void asked.then((keys) => (given = keys.length));
  await world.clock.run(2_000);
  assert.equal(given, 4);
  assert.deepEqual(world.violations, []);
});
