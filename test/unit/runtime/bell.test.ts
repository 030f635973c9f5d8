import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Bell } from "../../../src/runtime/bell.ts";

const open = new AbortController().signal;
const turn = (): Promise<void> => new Promise((done) => setImmediate(done));

describe("a bell", () => {
  it("rung while nobody waits is heard at the next wait, once however often it rang", async () => {
    const bell = new Bell();
    bell.ring();
    bell.ring();
    await bell.heard(open);
    let heard = false;
    const waiting = bell.heard(open).then(() => (heard = true));
    await turn();
    assert.equal(heard, false);
    bell.ring();
    await waiting;
  });

  it("wakes who waits; the ring is used up by it", async () => {
    const bell = new Bell();
    const waiting = bell.heard(open);
    bell.ring();
    await waiting;
    let heard = false;
    void bell.heard(open).then(() => (heard = true));
    await turn();
    assert.equal(heard, false);
  });

  it("lets go when the wait is called off, and does not throw", async () => {
    const bell = new Bell();
    const stop = new AbortController();
    const waiting = bell.heard(stop.signal);
    stop.abort();
    await waiting;
    await bell.heard(stop.signal);
  });
});
