/** Whether this process still works: its event loop turns, and its writes end. When not, only a new start helps. */
import type { Clock, MonotonicMs } from "../runtime/clock.ts";
import type { Scope } from "../runtime/scope.ts";

const TICK_MS = 500;
const LATE_MS_MAX = 1_000;
const WRITE_MS_MAX = 5_000;

export interface Liveness {
  /** Why a new start would help, as sentences; empty while all works. */
  troubles(): readonly string[];
}

export interface LivenessParts {
  readonly clock: Clock;
  /** Since when the store has been at the write that is under way. */
  readonly writingSince: () => MonotonicMs | undefined;
}

export function watchLiveness({ clock, writingSince }: LivenessParts, scope: Scope): Liveness {
  let due = clock.monotonic() + TICK_MS;
  let lateMs = 0;
  scope.spawn("liveness", async (signal) => {
    while (!signal.aborted) {
      await clock.sleep(TICK_MS, signal).catch(() => undefined);
      lateMs = clock.monotonic() - due;
      due = clock.monotonic() + TICK_MS;
    }
  });
  return {
    troubles() {
      const now = clock.monotonic();
      const late = Math.max(lateMs, now - due);
      const since = writingSince();
      const writingMs = since === undefined ? 0 : now - since;
      return [
        ...(late > LATE_MS_MAX ? [`the event loop is ${Math.round(late)} ms behind`] : []),
        ...(writingMs > WRITE_MS_MAX ? [`a write to the store has taken ${Math.round(writingMs)} ms so far`] : []),
      ];
    },
  };
}
