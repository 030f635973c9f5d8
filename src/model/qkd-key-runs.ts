/** Lists of QKD-key ids as runs: a module that counts its keys needs one run for a million of them. */
import type { QkdKeyId } from "./ids.ts";

/** `count` ids from `first` on, each one more than the one before in its last six bytes (big-endian). */
export interface QkdKeyRun {
  readonly first: QkdKeyId;
  readonly count: number;
}

/** Keys of one length whose ids are a run. */
export interface QkdKeyRunOfLength extends QkdKeyRun {
  readonly keyBytes: number;
}

const COUNTER_DIGITS = 12; // six bytes: a counter that JavaScript adds exactly

const digitsOf = (id: QkdKeyId): number => Math.min(COUNTER_DIGITS, id.length);

/** The number in the last six bytes. */
export const counterOf = (id: QkdKeyId): number => Number.parseInt(id.slice(-digitsOf(id)), 16);

/** What two ids have in common that can be of one run: all before the counter, and the length. */
export const stemOf = (id: QkdKeyId): string => `${id.length} ${id.slice(0, -digitsOf(id))}`;

/** The id `steps` after `id`; undefined where the counter would run over. */
export function idAfter(id: QkdKeyId, steps: number): QkdKeyId | undefined {
  if (steps === 0) return id;
  const digits = digitsOf(id);
  const counter = counterOf(id) + steps;
  if (counter >= 16 ** digits) return undefined;
  return (id.slice(0, -digits) + counter.toString(16).padStart(digits, "0")) as QkdKeyId;
}

/** The same ids in the same order, as few runs as can be. */
export function joinedRuns(runs: Iterable<QkdKeyRun>): QkdKeyRun[] {
  const joined: { first: QkdKeyId; count: number }[] = [];
  for (const { first, count } of runs) {
    const last = joined.at(-1);
    if (last !== undefined && idAfter(last.first, last.count) === first) last.count += count;
    else joined.push({ first, count });
  }
  return joined;
}

/** How many ids the runs stand for. */
export const countOf = (runs: readonly QkdKeyRun[]): number => runs.reduce((sum, { count }) => sum + count, 0);

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
