/** A wall clock that jumps while a node runs: it is told, nothing expires by it, and key goes on to be agreed on and supplied. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { checkRecovers } from "./checkers/recovers.ts";
import { createWorld } from "./world.ts";

const HOUR_MS = 3_600_000;

for (const [way, hours] of [
  ["forward", 48],
  ["back", -48],
] as const) {
  test(`a wall clock that jumps ${way} by two days expires nothing, stops nothing, and is told until it is set right`, async () => {
    const world = createWorld({ seed: 77, nodes: 2 });
    for (const node of world.nodes) node.start();
    await checkRecovers(world);
    const node = world.nodes[0]!.node!;
    const [pool] = node.pools.outbound;
    const { stockBytes } = pool!;
    assert.deepEqual(node.clockTroubles(), []);
    world.clock.setWallSkew("n1", hours * HOUR_MS);
    await world.clock.run(30_000);
    assert.match(node.clockTroubles().join(), new RegExp(`the wall clock jumped by ${hours} h`));
    assert.ok(pool!.stockBytes >= stockBytes, `${pool!.stockBytes} of ${stockBytes} bytes`);
    assert.equal(
      node.vault.ledger.owners().reduce((sum, of) => sum + node.vault.ledger.balances(of).expired, 0),
      0,
    );
    await checkRecovers(world);
    world.clock.setWallSkew("n1", 0);
    assert.deepEqual(node.clockTroubles(), []);
    assert.deepEqual(world.violations, []);
  });
}

test("a node that starts with its wall clock set back says so, proposes nothing and burns nothing until it is right", async () => {
  const world = createWorld({ seed: 78, nodes: 2 });
  for (const node of world.nodes) node.start();
  await checkRecovers(world);
  const [leader] = world.nodes;
  leader!.kill();
  world.clock.setWallSkew("n1", -48 * HOUR_MS);
  leader!.start();
  await world.clock.run(20_000);
  const node = leader!.node!;
  assert.match(node.clockTroubles().join(), /the wall clock is 48 h behind the last start of this store/);
  const { troubles } = node.links[0]!.report();
  assert.match(troubles.join(), /the wall clock of n2 is 48 h ahead of ours/);
  const burned = (): number => node.vault.ledger.balances(`link/${node.links[0]!.id}`).burned;
  const before = burned();
  await world.clock.run(30_000);
  assert.equal(burned(), before);
});
