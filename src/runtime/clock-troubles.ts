/** What an operator has to know of the machine's wall clock, in sentences. */
import { HOUR_MS, MINUTE_MS, SECOND_MS } from "../model/units.ts";
import { isPlausibleEpoch } from "./plausible-epoch.ts";
import type { SteadyClock } from "./steady-clock.ts";

/** @param epoch  of the store: about the wall clock's seconds at its latest start */
export function clockTroublesOf(clock: SteadyClock, epoch: number): readonly string[] {
  const jumpMs = clock.jumpMs();
  const behindMs = epoch * SECOND_MS - clock.wall();
  const jumped = `the wall clock jumped by ${durationText(jumpMs ?? 0)}: it is believed when it has stood for an hour, and nothing expires by it till then; set it right`;
  const behind = `the wall clock is ${durationText(behindMs)} behind the last start of this store: others do not believe what is named by it, and no key is agreed on; set it right`;
  return [...(jumpMs === undefined ? [] : [jumped]), ...(isPlausibleEpoch(epoch, clock) ? [] : [behind])];
}

export function durationText(ms: number): string {
  const sign = ms < 0 ? "-" : "";
  const long = Math.abs(ms);
  if (long < 2 * MINUTE_MS) return `${sign}${Math.round(long / SECOND_MS)} s`;
  if (long < 2 * HOUR_MS) return `${sign}${Math.round(long / MINUTE_MS)} min`;
  return `${sign}${Math.round(long / HOUR_MS)} h`;
}
