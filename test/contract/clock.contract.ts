/** What every implementation of `Clock` promises: the laws of src/runtime/clock.ts, as a suite. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isQkdError } from "../../src/model/errors.ts";
import type { Clock } from "../../src/runtime/clock.ts";

export interface ClockRig {
  readonly clock: Clock;
  /** Lets time pass until the promise settles. */
  settled<Value>(promise: Promise<Value>): Promise<Value>;
}

const MONTH_MS = 30 * 24 * 3_600_000;
/** A timer may come a little before its time: some have whole milliseconds only. */
const EARLY_MS = 1.5;

const aborted = (signal: AbortSignal): Promise<unknown> =>
  new Promise((resolve) => signal.addEventListener("abort", () => resolve(signal.reason), { once: true }));
const cancelled = (failure: unknown): boolean => isQkdError(failure, "CANCELLED");

export function describeClock(name: string, openRig: () => ClockRig): void {
  describe(`clock: ${name}`, () => {
    it("monotonic time and wall time pass while one sleeps", async () => {
      const { clock, settled } = openRig();
      const [monotonic, wall] = [clock.monotonic(), clock.wall()];
      await settled(clock.sleep(20, new AbortController().signal));
      assert.ok(clock.monotonic() - monotonic >= 20 - EARLY_MS);
      assert.ok(clock.wall() - wall >= 20 - 2 * EARLY_MS);
      assert.ok(Number.isInteger(clock.wall()));
    });

    it("who sleeps less wakes first", async () => {
      const { clock, settled } = openRig();
      const woken: number[] = [];
      const { signal } = new AbortController();
      const sleep = (durationMs: number): Promise<void> =>
        clock.sleep(durationMs, signal).then(() => void woken.push(durationMs));
      await settled(Promise.all([sleep(30), sleep(1), sleep(15)]));
      assert.deepEqual(woken, [1, 15, 30]);
    });

    it("a sleep ends with its signal, and says so", async () => {
      const { clock, settled } = openRig();
      const abort = new AbortController();
      clock.after(5, () => abort.abort("enough"));
      await assert.rejects(settled(clock.sleep(MONTH_MS, abort.signal)), cancelled);
      await assert.rejects(settled(clock.sleep(5, abort.signal)), cancelled, "the signal is over already");
    });

    it("many may sleep on one signal", async () => {
      const { clock, settled } = openRig();
      const abort = new AbortController();
      const sleeps = Array.from({ length: 200 }, () => clock.sleep(MONTH_MS, abort.signal));
      clock.after(1, () => abort.abort());
      const outcomes = await settled(Promise.allSettled(sleeps));
      assert.ok(outcomes.every((outcome) => outcome.status === "rejected" && cancelled(outcome.reason)));
    });

    it("a function runs once, after its time, and never within the call", async () => {
      const { clock, settled } = openRig();
      let ran = 0;
      clock.after(0, () => (ran += 1));
      assert.equal(ran, 0);
      await settled(clock.sleep(10, new AbortController().signal));
      assert.equal(ran, 1);
    });

    it("a function that was taken back does not run", async () => {
      const { clock, settled } = openRig();
      let ran = 0;
      const takeBack = clock.after(1, () => (ran += 1));
      takeBack();
      takeBack();
      await settled(clock.sleep(10, new AbortController().signal));
      assert.equal(ran, 0);
    });

    it("a timeout aborts after its time", async () => {
      const { clock, settled } = openRig();
      const signal = clock.timeout(10);
      assert.equal(signal.aborted, false);
      const startedAt = clock.monotonic();
      await settled(aborted(signal));
      assert.ok(clock.monotonic() - startedAt >= 10 - EARLY_MS);
    });

    it("a timeout aborts with its parent, for the parent's reason", async () => {
      const { clock, settled } = openRig();
      const parent = new AbortController();
      const signal = clock.timeout(MONTH_MS, parent.signal);
      clock.after(1, () => parent.abort("the parent is over"));
      assert.equal(await settled(aborted(signal)), "the parent is over");
      const late = clock.timeout(MONTH_MS, parent.signal);
      assert.equal(late.aborted, true);
      assert.equal(late.reason, "the parent is over");
    });

    it("a wait of a month is not over at once", async () => {
      const { clock, settled } = openRig();
      const abort = new AbortController();
      const over: string[] = [];
      clock.sleep(MONTH_MS, abort.signal).then(
        () => over.push("sleep"),
        () => undefined,
      );
      const takeBack = clock.after(MONTH_MS, () => over.push("function"));
      const signal = clock.timeout(MONTH_MS);
      await settled(clock.sleep(20, new AbortController().signal));
      assert.deepEqual([over, signal.aborted], [[], false]);
      takeBack();
      abort.abort();
    });
  });
}
