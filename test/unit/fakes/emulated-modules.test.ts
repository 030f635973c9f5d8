/** The pair of modules inside the process: its laws as a driver are in test/contract; here is what it does on request. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DriverHost } from "../../../src/driver/qkd-driver.ts";
import { isQkdError } from "../../../src/model/errors.ts";
import { openScope } from "../../../src/runtime/scope.ts";
import { createEmulatedModules, type EmulatedLinkOptions } from "../../fakes/emulated-modules.ts";
import { printsOf } from "../../fakes/key-prints.ts";
import { createRecordingLogger } from "../../fakes/recording-logger.ts";
import { createVirtualWorldClock } from "../../fakes/virtual-clock.ts";

const ENDS = ["a", "b"] as const;

/** Both ends read all the time, and acknowledge. */
async function openWorld(options: Partial<EmulatedLinkOptions> = {}) {
  const world = createVirtualWorldClock({ wallStartMs: 0 });
  const link = createEmulatedModules().addLink({
    name: "x",
    seed: "1",
    clock: world.clockFor("modules"),
    rateBps: 320_000,
    blockBytes: 1000,
    ...options,
  });
  const scope = openScope("world", createRecordingLogger());
  const got = { a: new Map<string, string>(), b: new Map<string, string>() };
  const failures: unknown[] = [];
  const read = async (end: "a" | "b"): Promise<void> => {
    const host = { clock: world.clockFor(end), log: createRecordingLogger() } as unknown as DriverHost;
    const module = await link.driver.open(link.configs[end], host, scope.child(end));
    if (module.keySource.kind !== "stream") throw new Error("a stream was expected");
    for await (const batch of module.keySource.keys(undefined, scope.signal)) {
      for (const { id, digest } of printsOf(batch)) got[end].set(id, digest);
    }
  };
  for (const end of ENDS) void read(end).catch((failure: unknown) => failures.push(failure));
  await world.run(1000);
  return { world, link, scope, got, failures };
}

describe("an emulated link in virtual time", () => {
  it("gives the key of its rate, the same in every run", async () => {
    const runs = await Promise.all(
      ["1", "1", "2"].map(async (seed) => {
        const { world, got, scope } = await openWorld({ seed });
        await world.run(9000);
        await scope.close();
        return got;
      }),
    );
    const [one, again, other] = runs;
    assert.ok(Math.abs(one!.a.size - 400) <= 4, `${one!.a.size} of 400 blocks`);
    assert.deepEqual(one!.a, one!.b);
    assert.deepEqual(one, again);
    assert.notDeepEqual(one!.a, other!.a);
  });

  it("flips a bit of one block of one end", async () => {
    const { world, link, got, scope } = await openWorld();
    link.flipNextBit("b");
    await world.run(1000);
    assert.deepEqual([...got.a.keys()], [...got.b.keys()]);
    assert.equal([...got.a].filter(([id, digest]) => got.b.get(id) !== digest).length, 1);
    await scope.close();
  });

  it("loses a block of one end", async () => {
    const { world, link, got, scope } = await openWorld();
    link.loseNextBlock("a");
    await world.run(1000);
    assert.equal(got.b.size - got.a.size, 1);
    await scope.close();
  });

  it("gives nothing while it is cut, or while an end stalls and its store is full", async () => {
    const { world, link, got, scope } = await openWorld({ unacknowledgedBytesMax: 20_000 });
    link.cut();
    const atCut = link.generatedBlocks();
    await world.run(5000);
    assert.equal(link.generatedBlocks(), atCut);
    link.restore();
    link.stall("a");
    await world.run(5000);
    assert.equal(link.keptBlocks("a"), 20);
    link.resume("a");
    await world.run(1000);
    assert.ok(link.keptBlocks("a") < 20 && got.a.size > atCut + 20);
    await scope.close();
  });

  it("hangs up when it is unplugged, at one end only", async () => {
    const { world, link, got, failures, scope } = await openWorld();
    const before = got.b.size;
    link.unplug("a");
    await world.run(1000);
    assert.ok(isQkdError(failures[0], "DEVICE_LOST"));
    assert.equal(failures.length, 1);
    assert.ok(got.b.size > before);
    await scope.close();
  });

  it("never wakes a node that was killed", async () => {
    const { world, link, got, failures, scope } = await openWorld();
    world.kill("a");
    const before = got.a.size;
    link.unplug("a");
    link.setRate(1_000_000);
    await world.run(1000);
    assert.equal(got.a.size, before);
    assert.deepEqual(failures, []);
    await scope.close();
  });
});
