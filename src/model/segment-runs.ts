/** Lists of segment names as runs of consecutive numbers of one epoch. */
import { segmentEpoch, segmentName, segmentNumber, type SegmentName } from "./ids.ts";

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

/** Whether the runs name a segment, without writing them out. */
export function runsInclude(runs: readonly SegmentRun[], name: SegmentName): boolean {
  const epoch = segmentEpoch(name);
  const number = segmentNumber(name);
  return runs.some(({ first, count }) => {
    const from = segmentNumber(first);
    return segmentEpoch(first) === epoch && number >= from && number < from + count;
  });
}

/** The names, at most `max` of them. */
export function segmentsOfRuns(runs: readonly SegmentRun[], max: number): SegmentName[] {
  const names: SegmentName[] = [];
  for (const { first, count } of runs) {
    for (let i = 0; i < count && names.length < max; i++) {
      names.push(segmentName(segmentEpoch(first), segmentNumber(first) + i));
    }
  }
  return names;
}
