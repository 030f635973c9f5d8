/** Bounds what a neighbour can claim about names of segments: one lie must not block a link for ever. */
import { segmentEpoch, type SegmentName } from "../model/ids.ts";
import { HOUR_MS, SECOND_MS } from "../model/units.ts";
import type { Clock } from "../runtime/clock.ts";

/** Wall clocks of neighbours may be this far apart. */
const AHEAD_MAX_MS = HOUR_MS;

/** Epochs are about the wall clock's seconds at a start, so no name in use can be far ahead of now. */
export function isPlausible(name: SegmentName, clock: Clock): boolean {
  return segmentEpoch(name) <= (clock.wall() + AHEAD_MAX_MS) / SECOND_MS;
}
