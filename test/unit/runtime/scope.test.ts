import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isQkdError, QkdError } from "../../../src/model/errors.ts";
import { openScope, type Scope } from "../../../src/runtime/scope.ts";
import { createRecordingLogger } from "../../fakes/recording-logger.ts";

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => signal.addEventListener("abort", () => resolve()));

function scopeWithSteps(): { scope: Scope; order: string[]; log: ReturnType<typeof createRecordingLogger> } {
  const log = createRecordingLogger();
  return { scope: openScope("node", log), order: [], log };
}

describe("a scope", () => {
  it("ends its tasks first, then closes what was opened in it, last opened first", async () => {
    const { scope, order } = scopeWithSteps();
    scope.defer("store", () => void order.push("store"));
    scope.defer("link", async () => {
      await Promise.resolve();
      order.push("link");
    });
    scope.spawn("task", async (signal) => {
      await untilAborted(signal);
      order.push("task");
    });
    const inner = scope.child("module");
    inner.defer("line", () => void order.push("line"));
    await scope.close();
    assert.deepEqual(order, ["task", "line", "link", "store"]);
    await scope.closed;
  });

  it("is closed by the first failure of a task, which is what whoever opened it hears", async () => {
    const { scope, order } = scopeWithSteps();
    scope.defer("store", () => void order.push("store"));
    const first = new Error("first");
    scope.spawn("waits", untilAborted);
    scope.spawn("fails", () => Promise.reject(first));
    scope.spawn("fails too", async (signal) => {
      await untilAborted(signal);
      throw new Error("second, while closing");
    });
    await assert.rejects(scope.closed, first);
    assert.deepEqual(order, ["store"]);
  });

  it("a task that ends because it was cancelled has not failed", async () => {
    const { scope } = scopeWithSteps();
    scope.spawn("sleeps", async (signal) => {
      await untilAborted(signal);
      throw new QkdError("CANCELLED", "the wait was interrupted", {});
    });
    await scope.close();
    await scope.closed;
  });

  it("a closing step that fails keeps no other from closing, and is told", async () => {
    const { scope, order, log } = scopeWithSteps();
    scope.defer("store", () => void order.push("store"));
    scope.defer("line", () => {
      throw new Error("the line hung up");
    });
    await scope.close();
    assert.deepEqual(order, ["store"]);
    assert.deepEqual(
      log.lines.map(({ event, facts }) => [event, facts["step"], facts["reason"]]),
      [["closing failed", "line", "the line hung up"]],
    );
  });

  it("inside another fails alone, may be opened again, and is closed once", async () => {
    const { scope, order } = scopeWithSteps();
    for (const life of ["first", "second"]) {
      const inner = scope.child("module");
      inner.defer("line", () => void order.push(life));
      if (life === "first") {
        inner.spawn("reads", () => Promise.reject(new Error("lost")));
        await assert.rejects(inner.closed, /lost/);
        assert.equal(scope.signal.aborted, false);
      }
    }
    await scope.close();
    assert.deepEqual(order, ["first", "second"]);
  });

  it("that is closed opens nothing more", async () => {
    const { scope } = scopeWithSteps();
    const [one, other] = [scope.close(), scope.close()];
    const cancelled = (failure: unknown): boolean => isQkdError(failure, "CANCELLED");
    assert.throws(() => scope.child("late"), cancelled);
    assert.throws(() => scope.defer("late", () => undefined), cancelled);
    assert.throws(() => scope.spawn("late", () => Promise.resolve()), cancelled);
    await Promise.all([one, other]);
  });
});
