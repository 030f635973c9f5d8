/** The machine's own time, as a node's `Clock`. */
import { QkdError } from "../model/errors.ts";
import type { Clock } from "../runtime/clock.ts";

const TIMER_MS_MAX = 0x7fff_ffff; // a longer one would fire at once

/** `sleep` and `after` keep the process alive until they are over or cancelled; `timeout` does not. */
export function createSystemClock(): Clock {
  return {
    wall: () => Date.now(),
    monotonic: () => performance.now(),
    sleep,
    timeout(durationMs, parent) {
      const deadline = AbortSignal.timeout(Math.min(Math.max(0, durationMs), TIMER_MS_MAX));
      return parent === undefined ? deadline : AbortSignal.any([parent, deadline]);
    },
    after,
  };
}

function after(durationMs: number, then: () => void): () => void {
  const timer = setTimeout(then, Math.min(durationMs, TIMER_MS_MAX));
  return () => clearTimeout(timer);
}

function sleep(durationMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abandon = (): void => {
      cancel();
      reject(new QkdError("CANCELLED", "the wait was cancelled", {}, signal.reason));
    };
    if (signal.aborted) {
      reject(new QkdError("CANCELLED", "the wait was cancelled", {}, signal.reason));
      return;
    }
    const cancel = after(durationMs, () => {
      signal.removeEventListener("abort", abandon);
      resolve();
    });
    signal.addEventListener("abort", abandon, { once: true });
  });
}
