/** Which parts of an open segment were used: a set of ranges that takes each byte once. */

interface Range {
  readonly from: number;
  readonly to: number;
}

export class RangeSet {
  /** Disjoint, in order, never touching. */
  readonly #ranges: Range[] = [];

  #bytes = 0;

  /** Adds [from, to), unless a byte of it is there already: then nothing changes and the answer is false. */
  add(from: number, to: number): boolean {
    const at = this.#firstEndingAfter(from);
    if (!(from < to) || this.#startsBefore(at, to)) return false;
    const before = this.#ranges[at - 1];
    const after = this.#ranges[at];
    const joinsBefore = before?.to === from;
    const joinsAfter = after?.from === to;
    const joined = { from: joinsBefore ? before.from : from, to: joinsAfter ? after.to : to };
    this.#ranges.splice(joinsBefore ? at - 1 : at, (joinsBefore ? 1 : 0) + (joinsAfter ? 1 : 0), joined);
    this.#bytes += to - from;
    return true;
  }

  intersects(from: number, to: number): boolean {
    return from < to && this.#startsBefore(this.#firstEndingAfter(from), to);
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Pairs from, to; for records. */
  toPairs(): number[] {
    const pairs: number[] = [];
    for (const { from, to } of this.#ranges) pairs.push(from, to);
    return pairs;
  }

  static fromPairs(pairs: readonly number[]): RangeSet {
    const set = new RangeSet();
    for (let i = 0; i + 1 < pairs.length; i += 2) set.add(pairs[i]!, pairs[i + 1]!);
    return set;
  }

  forEach(each: (from: number, to: number) => void): void {
    for (const { from, to } of this.#ranges) each(from, to);
  }

  #startsBefore(index: number, to: number): boolean {
    const range = this.#ranges[index];
    return range !== undefined && range.from < to;
  }

  /** By halves: a segment that is used here and there has hundreds of ranges. */
  #firstEndingAfter(from: number): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#ranges[middle]!.to > from) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
