/** What is known of QKD-keys, by id, range by range: a million keys that follow each other are one entry. */
import type { QkdKeyId } from "./ids.ts";
import { counterOf, idAfter, stemOf, type QkdKeyRun } from "./qkd-key-runs.ts";

interface Range<Value> {
  readonly first: QkdKeyId;
  /** Counters, [from, to). */
  readonly from: number;
  readonly to: number;
  readonly value: Value;
}

/** A part of a run that was asked for, and what is known of it. */
export interface KnownPart<Value> extends QkdKeyRun {
  readonly value: Value;
}

export class IdRanges<Value> {
  /** For each stem the ranges in order, disjoint. */
  readonly #stems = new Map<string, Range<Value>[]>();
  #rangeCount = 0;

  /** What memory depends on. */
  get rangeCount(): number {
    return this.#rangeCount;
  }

  has(id: QkdKeyId): boolean {
    return this.get(id) !== undefined;
  }

  get(id: QkdKeyId): Value | undefined {
    const ranges = this.#stems.get(stemOf(id));
    if (ranges === undefined) return undefined;
    const counter = counterOf(id);
    const range = ranges[firstBeyond(ranges, counter)];
    return range !== undefined && range.from <= counter ? range.value : undefined;
  }

  /** Adds those ids of a run that are not there. @returns how many they are */
  add(run: QkdKeyRun, value: Value): number {
    const missing = this.gaps(run);
    for (const { first, count } of missing) this.#insert(first, count, value);
    return missing.reduce((sum, { count }) => sum + count, 0);
  }

  /** Forgets ids, as far as they are there. */
  remove(run: QkdKeyRun): void {
    const stem = stemOf(run.first);
    const ranges = this.#stems.get(stem);
    if (ranges === undefined) return;
    const [from, to] = boundsOf(run);
    const begin = firstBeyond(ranges, from);
    let end = begin;
    const rests: Range<Value>[] = [];
    for (; end < ranges.length && ranges[end]!.from < to; end++) {
      const range = ranges[end]!;
      if (range.from < from) rests.push({ ...range, to: from });
      if (range.to > to) rests.push({ ...range, first: idAfter(range.first, to - range.from)!, from: to });
    }
    ranges.splice(begin, end - begin, ...rests);
    this.#rangeCount += rests.length - (end - begin);
    if (ranges.length === 0) this.#stems.delete(stem);
  }

  /** The parts of a run that are there, in order. */
  *parts({ first, count }: QkdKeyRun): Generator<KnownPart<Value>> {
    const ranges = this.#stems.get(stemOf(first));
    if (ranges === undefined) return;
    const [from, to] = boundsOf({ first, count });
    for (let at = firstBeyond(ranges, from); at < ranges.length && ranges[at]!.from < to; at++) {
      const range = ranges[at]!;
      const begin = Math.max(from, range.from);
      yield { first: idAfter(first, begin - from)!, count: Math.min(to, range.to) - begin, value: range.value };
    }
  }

  /** The parts of a run that are not there, in order. */
  gaps(run: QkdKeyRun): QkdKeyRun[] {
    const gaps: QkdKeyRun[] = [];
    let at = run.first;
    let left = run.count;
    for (const part of this.parts(run)) {
      const skipped = counterOf(part.first) - counterOf(at);
      if (skipped > 0) gaps.push({ first: at, count: skipped });
      left -= skipped + part.count;
      if (left === 0) return gaps;
      at = idAfter(part.first, part.count)!;
    }
    return [...gaps, { first: at, count: left }];
  }

  *entries(): Generator<KnownPart<Value>> {
    for (const ranges of this.#stems.values()) {
      for (const { first, from, to, value } of ranges) yield { first, count: to - from, value };
    }
  }

  clear(): void {
    this.#stems.clear();
    this.#rangeCount = 0;
  }

  /** None of them is there. Neighbours of the same value become one range. */
  #insert(first: QkdKeyId, count: number, value: Value): void {
    const stem = stemOf(first);
    let ranges = this.#stems.get(stem);
    if (ranges === undefined) this.#stems.set(stem, (ranges = []));
    const from = counterOf(first);
    const at = firstBeyond(ranges, from);
    const before = ranges[at - 1];
    const after = ranges[at];
    const joinsBefore = before?.to === from && before.value === value;
    const joinsAfter = after?.from === from + count && after.value === value;
    const joined: Range<Value> = {
      first: joinsBefore ? before.first : first,
      from: joinsBefore ? before.from : from,
      to: joinsAfter ? after.to : from + count,
      value,
    };
    const replaced = (joinsBefore ? 1 : 0) + (joinsAfter ? 1 : 0);
    ranges.splice(joinsBefore ? at - 1 : at, replaced, joined);
    this.#rangeCount += 1 - replaced;
  }
}

const boundsOf = ({ first, count }: QkdKeyRun): readonly [from: number, to: number] => {
  const from = counterOf(first);
  return [from, from + count];
};

/** The place of the first range that ends beyond `counter`. */
function firstBeyond<Value>(ranges: readonly Range<Value>[], counter: number): number {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ranges[middle]!.to > counter) high = middle;
    else low = middle + 1;
  }
  return low;
}
