import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isQkdError } from "../../../src/model/errors.ts";
import { openNodeLife } from "../../fakes/node-life.ts";
import { createSeededRandom } from "../../fakes/seeded-random.ts";
import { type Timer, TimerHeap } from "../../fakes/timer-heap.ts";
import { createVirtualWorldClock } from "../../fakes/virtual-clock.ts";

const createWorld = () => createVirtualWorldClock({ wallStartMs: 1_000_000 });
const never = new AbortController().signal;

describe("virtual clock", () => {
  it("functions of equal instants run in the order in which they were set, across nodes", async () => {
    const world = createWorld();
    const [a, b] = [world.clockFor("a"), world.clockFor("b")];
    const ran: string[] = [];
    b.after(10, () => ran.push("b first"));
    a.after(10, () => ran.push("a"));
    a.after(5, () => b.after(5, () => ran.push("b, set later")));
    world.after(10, () => ran.push("world"));
    await world.run(10);
    assert.deepEqual(ran, ["b first", "a", "world", "b, set later"]);
  });

  it("time stands still until the work of an instant is done, however long its chain", async () => {
    const world = createWorld();
    const times = new Set<number>();
    world.after(1, () => void longWork(() => times.add(world.now())));
    world.after(1.5, () => times.add(-1));
    await world.run(2);
    assert.deepEqual([...times], [1, -1]);
  });

  it("time passes to the end of a run, also where nothing happens", async () => {
    const world = createWorld();
    const node = world.clockFor("node");
    await world.run(12_345.5);
    assert.equal(world.now(), 12_345.5);
    assert.equal(world.wall(), 1_012_345);
    assert.equal(node.monotonic(), 12_345.5);
  });

  it("a run until something holds ends at the instant when it does, or says that it never did", async () => {
    const world = createWorld();
    let ticks = 0;
    const tick = (): void => {
      ticks += 1;
      world.after(10, tick);
    };
    world.after(10, tick);
    assert.equal(await world.runUntil(() => ticks === 7, 1_000), true);
    assert.equal(world.now(), 70);
    assert.equal(await world.runUntil(() => ticks < 0, 100), false);
    assert.equal(world.now(), 170);
  });

  it("what a function throws ends the run", async () => {
    const world = createWorld();
    world.after(1, () => {
      throw new Error("broken");
    });
    world.after(2, () => undefined);
    await assert.rejects(world.run(10), /broken/);
    assert.equal(world.now(), 1);
    await world.run(10);
    assert.equal(world.timersWaiting, 0);
  });

  it("after a kill no function runs, no sleep settles and no timeout aborts", async () => {
    const world = createWorld();
    const node = world.clockFor("node");
    const parent = new AbortController();
    const seen: string[] = [];
    node.after(10, () => seen.push("function"));
    void node.sleep(10, never).finally(() => seen.push("sleep"));
    node.sleep(1_000, parent.signal).catch(() => seen.push("interrupted sleep"));
    const signals = [node.timeout(10), node.timeout(1_000, parent.signal)];
    await world.run(5);
    world.kill("node");
    assert.equal(node.alive, false);
    assert.equal(world.timersWaiting, 0);
    node.after(1, () => seen.push("set by the dead"));
    void node.sleep(1, never).finally(() => seen.push("sleep of the dead"));
    parent.abort();
    await world.run(5_000);
    assert.deepEqual(seen, []);
    assert.deepEqual(
      signals.map((signal) => signal.aborted),
      [false, false],
    );
  });

  it("a node's next life has a monotonic time of its own, and keeps the skew of its wall clock", async () => {
    const world = createWorld();
    world.clockFor("node", { wallSkewMs: -300 });
    assert.throws(() => world.clockFor("node"), /kill it before/);
    await world.run(1_000);
    world.kill("node");
    const next = world.clockFor("node");
    assert.equal(next.monotonic(), 0);
    assert.equal(next.wall(), 1_000_700);
    world.setWallSkew("node", 5_000);
    assert.equal(next.wall(), 1_006_000);
  });

  it("nothing is left of what was cancelled", async () => {
    const world = createWorld();
    const node = world.clockFor("node");
    for (let i = 0; i < 10_000; i++) node.after(1_000_000 + i, () => undefined)();
    const abort = new AbortController();
    const sleeps = Array.from({ length: 1_000 }, () => node.sleep(1_000_000, abort.signal));
    node.timeout(1_000_000, abort.signal);
    assert.equal(world.timersWaiting, 1_001);
    abort.abort();
    await assert.rejects(Promise.all(sleeps), (failure) => isQkdError(failure, "CANCELLED"));
    assert.equal(world.timersWaiting, 0);
  });

  it("a life tells of its end once, in order", () => {
    const life = openNodeLife({ clock: createWorld(), node: "node", number: 1 });
    const heard: number[] = [];
    life.onKill(() => heard.push(1));
    life.onKill(() => heard.push(2));
    life.kill();
    life.kill();
    life.onKill(() => heard.push(3));
    assert.deepEqual(heard, [1, 2, 3]);
  });
});

describe("timer heap", () => {
  it("gives timers by time and order, whatever was removed meanwhile", () => {
    const random = createSeededRandom("heap");
    const heap = new TimerHeap();
    const waiting = new Set<Timer>();
    const [one, other] = [{}, {}];
    const add = (order: number): void => {
      const owner = random.pick([one, other]);
      const timer: Timer = { atMs: random.below(50), order, owner, then: () => undefined, place: -1 };
      heap.add(timer);
      waiting.add(timer);
    };
    for (let order = 0; order < 3_000; order++) {
      add(order);
      if (random.chance(0.4)) {
        const gone = random.pick([...waiting]);
        heap.remove(gone);
        heap.remove(gone);
        waiting.delete(gone);
      }
    }
    heap.removeAllOf(other);
    const expected = [...waiting].filter(({ owner }) => owner === one);
    expected.sort((a, b) => a.atMs - b.atMs || a.order - b.order);
    assert.equal(heap.size, expected.length);
    for (const timer of expected) {
      assert.equal(heap.first(), timer);
      heap.remove(timer);
    }
    assert.equal(heap.size, 0);
  });
});

async function longWork(done: () => void): Promise<void> {
  for (let i = 0; i < 2_000; i++) {
    await Promise.resolve();
    await new Promise<void>((resolve) => process.nextTick(resolve));
    await new Promise<void>((resolve) => queueMicrotask(resolve));
  }
  done();
}
