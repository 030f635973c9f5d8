/** Lists of QKD-key ids as runs: a module that counts its keys needs one run for a million of them. */
import type { QkdKeyId } from "./ids.ts";

/** `count` ids from `first` on, each one more than the one before in its last six bytes (big-endian). */
export interface QkdKeyRun {
  readonly first: QkdKeyId;
  readonly count: number;
}

const COUNTER_DIGITS = 12; // six bytes: a counter that JavaScript adds exactly

/** The id `steps` after `id`; undefined where the counter would run over. */
export function idAfter(id: QkdKeyId, steps: number): QkdKeyId | undefined {
  const digits = Math.min(COUNTER_DIGITS, id.length);
  const counter = Number.parseInt(id.slice(-digits), 16) + steps;
  if (counter >= 16 ** digits) return undefined;
  return (id.slice(0, -digits) + counter.toString(16).padStart(digits, "0")) as QkdKeyId;
}

/** The same ids in the same order, neighbours joined. */
export function runsOf(ids: Iterable<QkdKeyId>): QkdKeyRun[] {
  const runs: { first: QkdKeyId; count: number }[] = [];
  let next: QkdKeyId | undefined;
  for (const id of ids) {
    const last = runs.at(-1);
    if (last !== undefined && id === next) last.count += 1;
    else runs.push({ first: id, count: 1 });
    next = idAfter(id, 1);
  }
  return runs;
}

/** Every id of the runs, in order. */
export function* idsOf(runs: Iterable<QkdKeyRun>): Generator<QkdKeyId> {
  for (const run of runs) {
    for (let i = 0; i < run.count; i++) {
      const id = idAfter(run.first, i);
      if (id === undefined) return;
      yield id;
    }
  }
}
