/** Lists of segment names as runs of consecutive numbers of one epoch. */
import { segmentEpoch, segmentNumber, type SegmentName } from "./ids.ts";

export interface SegmentRun {
  readonly first: SegmentName;
  readonly count: number;
}

/** @param names  in order */
export function segmentRunsOf(names: Iterable<SegmentName>): SegmentRun[] {
  const runs: { first: SegmentName; count: number }[] = [];
  for (const name of names) {
    const last = runs.at(-1);
    const follows =
      last !== undefined &&
      segmentEpoch(last.first) === segmentEpoch(name) &&
      segmentNumber(last.first) + last.count === segmentNumber(name);
    if (follows) last.count += 1;
    else runs.push({ first: name, count: 1 });
  }
  return runs;
}

/** Tells whether runs name a segment, without writing them out: looked up in logarithmic time, however many there are. */
export function lookupIn(runs: readonly SegmentRun[]): (name: SegmentName) => boolean {
  const sorted = [...runs].sort((one, other) => (one.first < other.first ? -1 : 1));
  return (name) => {
    let below = 0; // all runs before this one begin at or before the name
    for (let above = sorted.length; below < above;) {
      const middle = (below + above) >>> 1;
      if (sorted[middle]!.first <= name) below = middle + 1;
      else above = middle;
    }
    const run = sorted[below - 1];
    if (run === undefined || segmentEpoch(run.first) !== segmentEpoch(name)) return false;
    return segmentNumber(name) < segmentNumber(run.first) + run.count;
  };
}
