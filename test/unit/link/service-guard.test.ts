import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ServiceGuard } from "../../../src/link/service-guard.ts";
import { createVirtualWorldClock } from "../../fakes/virtual-clock.ts";

function open() {
  const world = createVirtualWorldClock({ wallStartMs: 0 });
  const guard = new ServiceGuard(world.clockFor("a"));
  const fails = (times: number): void => {
    for (let i = 0; i < times; i++) guard.failed("it fails");
  };
  return { world, guard, fails };
}

const reasonOf = ({ out }: ServiceGuard): string => out?.reason ?? "in service";

describe("what fails too often", () => {
  it("is taken out of service after three failures in a row, and says why", () => {
    const { guard } = open();
    assert.deepEqual([guard.failed("x"), guard.failed("x")], [false, false]);
    guard.good();
    assert.deepEqual([guard.failed("x"), guard.failed("x"), guard.failed("x")], [false, false, true]);
    assert.equal(guard.out?.reason, "x (3 in a row)");
    assert.equal(guard.failed("x"), false, "it is out already");
  });

  it("is taken out above a rate too, and stays in below it", () => {
    const { guard } = open();
    const every = (good: number, times: number): void => {
      for (let i = 0; i < times; i++) {
        for (let j = 0; j < good; j++) guard.good();
        guard.failed("now and then");
      }
    };
    every(9, 100);
    assert.equal(guard.out, undefined, "six or seven of 64");
    every(7, 8);
    assert.match(guard.out!.reason, /8 of the last 64/);
  });

  it("is tried again after a while; its first failure then puts it out for twice as long, until it did well for long", async () => {
    const { world, guard, fails } = open();
    fails(3);
    await world.run(14_900);
    assert.ok(guard.out !== undefined);
    await world.run(200);
    assert.equal(guard.out, undefined);
    fails(1);
    assert.match(reasonOf(guard), /on trial/);
    await world.run(29_800);
    assert.ok(guard.out !== undefined);
    await world.run(300);
    for (let i = 0; i < 16; i++) guard.good();
    fails(2);
    assert.equal(guard.out, undefined, "it is not on trial any more");
    fails(1);
    await world.run(15_100);
    assert.equal(guard.out, undefined, "and its time out is short again");
  });

  it("is back at once, and not on trial, when somebody says that it is mended", () => {
    const { guard, fails } = open();
    fails(3);
    assert.equal(guard.release(), true);
    fails(2);
    assert.equal(guard.out, undefined);
    assert.equal(guard.release(), false);
  });
});
