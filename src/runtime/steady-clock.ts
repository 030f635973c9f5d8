/**
 * A wall clock that does not jump: expiry, names and adverts go by it. Steps of a minute are followed at once; a larger one is
 * an error of somebody, or an attack, until it has stood for an hour. Till then time goes on as before, and the jump is told.
 */
import { HOUR_MS, MINUTE_MS } from "../model/units.ts";
import type { Clock, MonotonicMs, WallMs } from "./clock.ts";

const STEP_MAX_MS = MINUTE_MS;
const BELIEVED_AFTER_MS = HOUR_MS;

export interface SteadyClock extends Clock {
  /** How far the machine's wall clock is ahead of this one; undefined while they go together. */
  jumpMs(): number | undefined;
}

export function createSteadyClock(clock: Clock): SteadyClock {
  let offsetMs = clock.wall() - clock.monotonic();
  let jump: { readonly ms: number; readonly at: MonotonicMs } | undefined;
  const wall = (): WallMs => {
    const now = clock.monotonic();
    const real = clock.wall();
    const ms = real - (offsetMs + now);
    if (Math.abs(ms) <= STEP_MAX_MS) jump = undefined;
    else if (jump === undefined || Math.abs(ms - jump.ms) > STEP_MAX_MS) jump = { ms, at: now };
    else if (now - jump.at >= BELIEVED_AFTER_MS) jump = undefined;
    if (jump === undefined) offsetMs = real - now;
    return offsetMs + now;
  };
  return {
    wall,
    monotonic: () => clock.monotonic(),
    sleep: (durationMs, signal) => clock.sleep(durationMs, signal),
    timeout: (durationMs, parent) => clock.timeout(durationMs, parent),
    after: (durationMs, then) => clock.after(durationMs, then),
    jumpMs() {
      wall();
      return jump?.ms;
    },
  };
}
