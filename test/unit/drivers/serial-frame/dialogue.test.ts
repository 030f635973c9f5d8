/** What the host says to a module, what it believes, and what it makes of a module that misbehaves. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeFrame } from "../../../../drivers/serial-frame/frame.ts";
import { encodeHostMessage, KIND } from "../../../../drivers/serial-frame/messages.ts";
import { isQkdError, type ErrorCode } from "../../../../src/model/errors.ts";
import { PATH, ScriptedModule, keyId, readKeys } from "./scripted-module.ts";

const { signal } = new AbortController();

/** The scope is closed with the code, and the sentence tells the path and the reason. */
async function assertLost(module: ScriptedModule, code: ErrorCode, says: RegExp): Promise<void> {
  const failure = await module.scope.closed.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(isQkdError(failure, code), String(failure));
  assert.match(failure.message, says);
  assert.match(failure.message, new RegExp(PATH));
}

describe("opening a module", () => {
  it("says hello once a second until the answer to this very hello comes", async () => {
    const module = new ScriptedModule();
    const opening = module.open();
    await module.world.run(1500);
    assert.equal(module.all("hello").length, 2);
    module.greet("00000000000000ff");
    await module.world.run(1000);
    assert.equal(module.all("hello").length, 3, "an answer to another hello does not count");
    module.greet();
    const open = await opening;
    assert.deepEqual(open.identity, { vendor: "ACME", model: "Q?7", serialNumber: "42" });
    assert.deepEqual(open.status(), { state: "aligning" });
    assert.deepEqual(open.faults(), { garbageRuns: 0, crcErrors: 0, keysRefused: 0 });
  });

  it("passes over what the module was saying to the host before, and counts no fault", async () => {
    const module = new ScriptedModule();
    const opening = module.open();
    await module.world.run(1);
    module.sayBytes(encodeFrame(KIND.key, new Uint8Array(100)).slice(50));
    module.greet();
    assert.deepEqual((await opening).faults(), { garbageRuns: 0, crcErrors: 0, keysRefused: 0 });
  });

  it("gives up after five seconds without an answer", async () => {
    const module = new ScriptedModule();
    const opening = assert.rejects(module.open(), (error) => isQkdError(error, "DEVICE_LOST"));
    await module.world.run(5001);
    await opening;
    await assertLost(module, "DEVICE_LOST", /no answer within 5 s/);
  });

  it("refuses a module of another version, naming both", async () => {
    const module = new ScriptedModule();
    const opening = assert.rejects(module.open(), (error) => isQkdError(error, "VERSION_MISMATCH"));
    await module.world.run(1);
    const { nonce } = module.last("hello");
    const names = { vendor: "ACME", model: "Q9", serialNumber: "1" };
    module.say({ kind: "identity", version: 0, versionMin: 3, versionMax: 4, nonce, ...names });
    await opening;
    await assertLost(module, "VERSION_MISMATCH", /speaks serial-frame 3 to 4, this driver 1$/);
  });

  it("tells a line that echoes from a module", async () => {
    const module = new ScriptedModule();
    const opening = assert.rejects(module.open());
    await module.world.run(1);
    module.sayBytes(encodeHostMessage(module.last("hello")));
    await opening;
    await assertLost(module, "DEVICE_LOST", /echoes/);
  });
});

describe("an open module", () => {
  it("is lost after five seconds of silence, and not while it says anything", async () => {
    const module = new ScriptedModule();
    await module.opened();
    for (let i = 0; i < 20; i++) {
      await module.world.run(1000);
      module.say({ kind: "heartbeat", sequence: 0 });
    }
    assert.equal(module.scope.signal.aborted, false);
    assert.ok(module.all("heartbeat").length >= 19);
    await module.world.run(6001);
    await assertLost(module, "DEVICE_LOST", /silent for 5 s/);
  });

  it("is lost when noise is all that comes", async () => {
    const module = new ScriptedModule();
    const open = await module.opened();
    for (let i = 0; i < 60; i++) {
      module.sayBytes(Uint8Array.of(0xf3, 0x51, 7));
      await module.world.run(100);
    }
    await assertLost(module, "DEVICE_LOST", /silent for 5 s/);
    assert.equal(open.faults().garbageRuns, 1);
  });

  it("is lost when its line takes no bytes, though it talks", async () => {
    const module = new ScriptedModule();
    await module.opened();
    module.isStuck = true;
    for (let i = 0; i < 8; i++) {
      module.say({ kind: "heartbeat", sequence: 0 });
      await module.world.run(1000);
    }
    await assertLost(module, "DEVICE_LOST", /takes no bytes/);
  });

  it("is lost when its line ends", async () => {
    const module = new ScriptedModule();
    await module.opened();
    module.hangUp();
    await assertLost(module, "DEVICE_LOST", /line ended/);
  });

  it("is lost when it ends the dialogue, with its reason", async () => {
    const module = new ScriptedModule();
    await module.opened();
    module.say({ kind: "error", code: 2, reason: "say hello first" });
    await assertLost(module, "DEVICE_LOST", /ends the dialogue: say hello first \(2\)/);
  });

  it("is lost when it sends a frame that nobody could have meant", async () => {
    for (const frame of [encodeFrame(0xee), encodeFrame(KIND.status, Uint8Array.of(9)), encodeFrame(KIND.resumed)]) {
      const module = new ScriptedModule();
      await module.opened();
      module.sayBytes(frame);
      await assertLost(module, "DEVICE_LOST", /malformed/);
    }
  });

  it("shows the state that it tells", async () => {
    const module = new ScriptedModule();
    const open = await module.opened();
    const status = { state: "faulty", qber: 0.125, reason: "laser too warm" } as const;
    module.say({ kind: "status", status });
    await module.world.run(1);
    assert.deepEqual(open.status(), status);
  });
});

describe("the keys of a module", () => {
  it("are asked for once a second until the module hears it; what comes before the answer is dropped", async () => {
    const module = new ScriptedModule();
    const { ids } = readKeys(await module.opened(), signal, keyId(3));
    const batch = ids();
    await module.world.run(2500);
    assert.equal(module.all("resume").length, 3);
    assert.deepEqual(module.last("resume").stored, keyId(3));
    module.sayKey(0, 9);
    module.resume();
    module.sayKey(0, 4);
    assert.deepEqual(await batch, [keyId(4)]);
  });

  it("are acknowledged when the next are asked for, and once a second from then on", async () => {
    const module = new ScriptedModule();
    const { ids } = readKeys(await module.opened(), signal);
    const first = ids();
    await module.world.run(1);
    module.resume();
    module.sayKey(0, 1);
    await first;
    await module.world.run(1);
    assert.equal(module.all("acknowledge").length, 0);
    void ids();
    await module.world.run(1);
    assert.deepEqual(module.all("acknowledge"), [{ kind: "acknowledge", stored: keyId(1) }]);
    await module.world.run(2000);
    assert.equal(module.all("acknowledge").length, 3, "the module may not have heard it");
  });

  it("are asked for again from the gap on, when one was damaged on the line", async () => {
    const module = new ScriptedModule();
    const open = await module.opened();
    const { ids } = readKeys(open, signal);
    const first = ids();
    await module.world.run(1);
    module.resume();
    module.sayKey(0, 1);
    await first;
    module.sayKey(2, 3);
    await module.world.run(1);
    assert.deepEqual([module.last("resume").stored, module.last("resume").received], [undefined, keyId(1)]);
    module.sayKey(3, 4);
    module.resume();
    module.sayKey(0, 2);
    module.sayKey(1, 3);
    await module.world.run(1);
    assert.deepEqual(await ids(), [keyId(2), keyId(3)]);
    assert.equal(open.faults().keysRefused, 0);
  });

  it("are asked for again when a heartbeat shows that the last one was damaged", async () => {
    const module = new ScriptedModule();
    const { ids } = readKeys(await module.opened(), signal);
    const first = ids();
    await module.world.run(1);
    module.resume();
    module.sayKey(0, 1);
    await first;
    module.say({ kind: "heartbeat", sequence: 1 });
    await module.world.run(1);
    assert.equal(module.all("resume").length, 1);
    module.say({ kind: "heartbeat", sequence: 2 });
    await module.world.run(1);
    assert.equal(module.all("resume").length, 2);
  });

  it("are refused and counted when they repeat an id, are older than one, or empty", async () => {
    const module = new ScriptedModule();
    const open = await module.opened();
    const { ids } = readKeys(open, signal, keyId(4));
    const batch = ids();
    await module.world.run(1);
    module.resume();
    [4, 5, 5, 3, 6].forEach((number, sequence) => module.sayKey(sequence, number));
    module.sayKey(5, 7, 0);
    module.say({ kind: "key", sequence: 6, id: keyId(1, "bbbbbbbbbbbbbbbb"), bytes: Uint8Array.of(1) });
    module.say({ kind: "key", sequence: 7, id: keyId(1, "bbbbbbbbbbbbbbbb"), bytes: Uint8Array.of(1) });
    await module.world.run(1);
    const got = [...(await batch), ...(await ids())];
    assert.deepEqual(got, [keyId(5), keyId(6), keyId(1, "bbbbbbbbbbbbbbbb")]);
    assert.equal(open.faults().keysRefused, 5);
  });

  it("are no more than the window at once, else the module is lost", async () => {
    const module = new ScriptedModule();
    const { batches } = readKeys(await module.opened(65_536), signal);
    const reading = batches.next();
    await module.world.run(1);
    assert.equal(module.last("resume").windowBytes, 65_536);
    module.resume();
    module.sayKey(0, 1, 40_000);
    await reading;
    module.sayKey(1, 2, 25_536);
    await module.world.run(1);
    assert.equal(module.scope.signal.aborted, false);
    module.sayKey(2, 3, 1);
    await assertLost(module, "DEVICE_LOST", /more than the 65536 bytes/);
    await assert.rejects(batches.next(), (error) => isQkdError(error, "DEVICE_LOST"));
  });

  it("come in batches of a quarter of the window, so that the module need not pause while one is stored", async () => {
    const module = new ScriptedModule();
    const { ids } = readKeys(await module.opened(80_000), signal);
    const first = ids();
    await module.world.run(1);
    module.resume();
    for (let i = 0; i < 8; i++) module.sayKey(i, i + 1, 10_000);
    await module.world.run(1);
    assert.equal((await first).length, 1, "the one that was there first");
    assert.deepEqual(await ids(), [keyId(2), keyId(3)]);
  });
});
