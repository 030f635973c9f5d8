/** Bounds what others can claim about epochs: one lie must not be ahead of the truth for ever. */
import { HOUR_MS, SECOND_MS } from "../model/units.ts";
import type { Clock } from "./clock.ts";

/** Wall clocks of nodes may be this far apart. */
const AHEAD_MAX_MS = HOUR_MS;

/** Epochs are about the wall clock's seconds at a start, so none in use can be far ahead of now. */
export function isPlausibleEpoch(epoch: number, clock: Pick<Clock, "wall">): boolean {
  return epoch <= (clock.wall() + AHEAD_MAX_MS) / SECOND_MS;
}
