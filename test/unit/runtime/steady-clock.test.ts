import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createSteadyClock } from "../../../src/runtime/steady-clock.ts";
import { createVirtualWorldClock } from "../../fakes/virtual-clock.ts";

const START_MS = 1_790_000_000_000;
const HOUR_MS = 3_600_000;

function open() {
  const world = createVirtualWorldClock({ wallStartMs: START_MS });
  const clock = createSteadyClock(world.clockFor("a"));
  return { world, clock, isAt: (ms: number) => assert.equal(clock.wall(), START_MS + ms) };
}

describe("a wall clock that does not jump", () => {
  it("follows steps of a minute at once", async () => {
    const { world, clock, isAt } = open();
    await world.run(1_000);
    world.setWallSkew("a", 50_000);
    isAt(51_000);
    world.setWallSkew("a", -5_000);
    isAt(-4_000);
    assert.equal(clock.jumpMs(), undefined);
  });

  it("goes on as before over a jump, either way, and tells it; when it is undone all is as it was", async () => {
    const { world, clock, isAt } = open();
    for (const jump of [2 * HOUR_MS, -40 * HOUR_MS]) {
      world.setWallSkew("a", jump);
      const now = world.now();
      isAt(now);
      await world.run(HOUR_MS / 2);
      isAt(now + HOUR_MS / 2);
      assert.equal(clock.jumpMs(), jump);
      world.setWallSkew("a", 0);
      assert.equal(clock.jumpMs(), undefined);
    }
  });

  it("believes what has stood for an hour; another jump within it begins the hour anew", async () => {
    const { world, clock, isAt } = open();
    world.setWallSkew("a", 5 * HOUR_MS);
    isAt(0);
    await world.run(HOUR_MS - 1);
    world.setWallSkew("a", 9 * HOUR_MS);
    isAt(HOUR_MS - 1);
    await world.run(HOUR_MS - 1);
    assert.equal(clock.jumpMs(), 9 * HOUR_MS);
    await world.run(1);
    isAt(11 * HOUR_MS - 1);
    assert.equal(clock.jumpMs(), undefined);
  });
});
