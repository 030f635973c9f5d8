/** Two neighbours that were told different things about SAEs say so, and work on. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { checkRecovers } from "./checkers/recovers.ts";
import { createWorld, type World } from "./world.ts";

const troublesAt = (world: World, place: number): readonly string[] =>
  world.nodes[place]!.node!.links[0]!.report().troubles;

const metricAt = (world: World, place: number, section: string): number =>
  world.nodes[place]!.metrics.value("qkdn_link_directory_differs", "n1--n2", section);

test("a neighbour that was told otherwise which pairs may share is shown until both agree; keys flow all the same", async () => {
  const world = createWorld({ seed: 41, nodes: 3 });
  world.network.tamper((from, to, message) =>
    message.kind === "hello" && from === "n2" && to === "n1"
      ? { ...message, directory: { ...message.directory, pairs: "00".repeat(16) } }
      : message,
  );
  for (const node of world.nodes) node.start();
  await checkRecovers(world);
  assert.deepEqual(troublesAt(world, 0), [
    'n2 was told otherwise which pairs of SAEs may share keys, and in which class: compare "pairs" in the configurations of n1 and n2',
  ]);
  assert.deepEqual([metricAt(world, 0, "pairs"), metricAt(world, 0, "saes"), metricAt(world, 1, "pairs")], [1, 0, 0]);
  assert.ok(world.nodes[0]!.log.lines.some(({ event }) => event === "directories differ"));
  world.network.tamper(undefined);
  world.network.breakSession("n1", "n2");
  await world.clock.run(10_000);
  assert.deepEqual(
    troublesAt(world, 0).filter((trouble) => trouble.includes("told otherwise")),
    [],
  );
  assert.equal(metricAt(world, 0, "pairs"), 0);
  assert.deepEqual(world.violations, []);
});
