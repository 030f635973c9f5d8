/** A process that does not work says nothing to its watchdog. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { watchLiveness } from "../../../src/daemon/liveness.ts";
import { reportToSystemd, sentenceOn } from "../../../src/daemon/systemd-report.ts";
import { openScope } from "../../../src/runtime/scope.ts";
import { createRecordingLogger } from "../../fakes/recording-logger.ts";
import { badStatus, wellStatus } from "../../fakes/sample-status.ts";
import { createMemoryStore } from "../store/vault-bench.ts";

async function bench() {
  const store = createMemoryStore("liveness");
  const vault = await store.open();
  const scope = openScope("test", createRecordingLogger());
  const { clock, world } = store;
  const said: string[] = [];
  const liveness = watchLiveness({ clock, writingSince: () => vault.writingSince }, scope);
  const systemd = {
    watchdogMs: 4_000,
    ready: () => void said.push("ready"),
    alive: () => void said.push("alive"),
    status: (sentence: string) => void said.push(sentence),
    stopping: () => void said.push("stopping"),
  };
  reportToSystemd({ systemd, liveness, clock, status: () => Promise.resolve(wellStatus()) }, scope);
  return { store, vault, scope, world, said, liveness, beats: () => said.filter((word) => word === "alive").length };
}

describe("the watchdog", () => {
  test("hears four beats in its time while all works", async () => {
    const { world, beats, scope, liveness } = await bench();
    await world.run(3_990);
    assert.equal(beats(), 4);
    assert.deepEqual(liveness.troubles(), []);
    await scope.close();
  });

  test("hears nothing more when a write to the store does not end, and the status says why", async () => {
    const { store, vault, world, said, beats, scope, liveness } = await bench();
    store.bag.gate = new Promise(() => undefined); // a disk that does not answer
    const transaction = vault.transaction();
    transaction.seal([new Uint8Array(32).fill(1)]);
    void vault.commit(transaction);
    await world.run(5_900);
    const before = beats();
    await world.run(10_000);
    assert.equal(beats(), before);
    assert.match(liveness.troubles()[0]!, /^a write to the store has taken \d+ ms so far$/);
    assert.match(said.at(-1)!, /^a write to the store/);
    await scope.close();
  });

  test("hears a process again that a long turn of its event loop had held up", async () => {
    const scope = openScope("test", createRecordingLogger());
    let now = 0;
    const wakes: (() => void)[] = [];
    const clock = {
      ...createMemoryStore("late").clock,
      monotonic: () => now,
      sleep: () => new Promise<void>((wake) => wakes.push(wake)),
    };
    const liveness = watchLiveness({ clock, writingSince: () => undefined }, scope);
    const tick = async (ms: number): Promise<void> => {
      now += ms;
      wakes.shift()!();
      await new Promise(setImmediate);
    };
    await tick(500);
    assert.deepEqual(liveness.troubles(), []);
    await tick(3_500);
    assert.deepEqual(liveness.troubles(), ["the event loop is 3000 ms behind"]);
    await tick(510);
    assert.deepEqual(liveness.troubles(), []);
    now += 2_000; // the next tick has not come
    assert.deepEqual(liveness.troubles(), ["the event loop is 1500 ms behind"]);
    const closed = scope.close();
    wakes.shift()!();
    await closed;
  });
});

test("the sentence for the service systemd", () => {
  assert.equal(
    sentenceOn(wellStatus()),
    "node-a is ready: 1 of 1 links up, 1 of 1 pools at their low mark or above; no troubles",
  );
  assert.equal(
    sentenceOn(badStatus()),
    "node-a is not ready: 0 of 1 links up, 0 of 1 pools at their low mark or above; " +
      "no link has a session (and 8 more)",
  );
});
