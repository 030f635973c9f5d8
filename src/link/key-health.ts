/** Which QKD-keys of a batch are not fit to be used, and why: before any of it is stored. */
import { IdRanges } from "../model/id-ranges.ts";
import { counterOf, idAfter, type QkdKeyRun, type QkdKeyRunOfLength } from "../model/qkd-key-runs.ts";
import type { Random } from "../runtime/random.ts";
import { HealthTests } from "./health-tests.ts";
import { KeyPrints } from "./key-prints.ts";

/**
 * zero, ones, constant: the whole key is one byte again and again. repetition, proportion: a test of SP 800-90B failed in
 * it. stuck: the key right before it was the same. repeated: an earlier one was. id-repeated: another key of this id came before.
 */
export const HEALTH_FAULTS = [
  "zero",
  "ones",
  "constant",
  "repetition",
  "proportion",
  "stuck",
  "repeated",
  "id-repeated",
] as const;
export type HealthFault = (typeof HEALTH_FAULTS)[number];

/** Keys side by side in a batch. */
export interface KeyPiece extends QkdKeyRunOfLength {
  readonly offsetBytes: number;
}

/** Runs of ids that are remembered; when there are more, all are forgotten. */
const ID_RUNS_MAX = 4096;

export class KeyHealth {
  readonly #tests = new HealthTests();
  readonly #prints: KeyPrints;
  readonly #ids = new IdRanges<true>();

  constructor(random: Random) {
    this.#prints = new KeyPrints(random);
  }

  /** Parts a run by whether its ids came before since this start; from now on all of them did. */
  sortIds(run: QkdKeyRun): { readonly fresh: readonly QkdKeyRun[]; readonly again: readonly QkdKeyRun[] } {
    const again = [...this.#ids.parts(run)];
    const fresh = this.#ids.gaps(run);
    if (this.#ids.rangeCount >= ID_RUNS_MAX) this.#ids.clear();
    this.#ids.add(run, true);
    return { fresh, again };
  }

  /**
   * Judges a whole batch, in the order in which it came.
   *
   * @returns the keys that are not fit, by the offsets of their first bytes
   */
  judge(bytes: Uint8Array<ArrayBuffer>, runs: readonly QkdKeyRunOfLength[]): ReadonlyMap<number, HealthFault> {
    const faults = new Map<number, HealthFault>();
    this.#prints.take(bytes, runs, (offset, how) => faults.set(offset, how));
    for (const { test, from, to } of this.#tests.judge(bytes)) {
      for (const key of keysWithin(runs, from, to)) {
        const named = test === "repetition" ? constantFault(bytes.subarray(key.from, key.to)) : undefined;
        if (named !== undefined || !faults.has(key.from)) faults.set(key.from, named ?? test);
      }
    }
    return faults;
  }
}

/** The keys of a piece that are not among `faults`. */
export function* withoutFaults(piece: KeyPiece, faults: ReadonlyMap<number, HealthFault>): Generator<KeyPiece> {
  const { first, count, keyBytes, offsetBytes } = piece;
  if (faults.size === 0) {
    yield piece;
    return;
  }
  for (let from = 0; from < count;) {
    let to = from;
    while (to < count && !faults.has(offsetBytes + to * keyBytes)) to += 1;
    if (to > from) {
      yield { first: idAfter(first, from)!, count: to - from, keyBytes, offsetBytes: offsetBytes + from * keyBytes };
    }
    from = to + 1;
  }
}

/** A part of a piece, with its place in the batch. */
export const partOfPiece = (piece: KeyPiece, { first, count }: QkdKeyRun): KeyPiece => {
  const before = counterOf(first) - counterOf(piece.first);
  return { first, count, keyBytes: piece.keyBytes, offsetBytes: piece.offsetBytes + before * piece.keyBytes };
};

/** Where those keys lie that have a byte in [from, to). */
function* keysWithin(
  runs: readonly QkdKeyRunOfLength[],
  from: number,
  to: number,
): Generator<{ readonly from: number; readonly to: number }> {
  let at = 0;
  for (const { count, keyBytes } of runs) {
    const end = at + count * keyBytes;
    if (keyBytes > 0 && at < to && from < end) {
      const begin = at + Math.floor(Math.max(0, from - at) / keyBytes) * keyBytes;
      for (let key = begin; key < Math.min(end, to); key += keyBytes) yield { from: key, to: key + keyBytes };
    }
    at = end;
  }
}

function constantFault(key: Uint8Array): HealthFault | undefined {
  const value = key[0]!;
  if (key.some((byte) => byte !== value)) return undefined;
  return value === 0 ? "zero" : value === 0xff ? "ones" : "constant";
}
