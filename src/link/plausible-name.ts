/** Bounds what a neighbour can claim about names of segments: one lie must not block a link for ever. */
import { segmentEpoch, type SegmentName } from "../model/ids.ts";
import type { Clock } from "../runtime/clock.ts";
import { isPlausibleEpoch } from "../runtime/plausible-epoch.ts";

/** No name in use is of an epoch far ahead of now. */
export function isPlausible(name: SegmentName, clock: Pick<Clock, "wall">): boolean {
  return isPlausibleEpoch(segmentEpoch(name), clock);
}
