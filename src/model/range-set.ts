/** Which parts of an open segment were used: a set of ranges that takes each byte once. */

interface Range {
  readonly from: number;
  readonly to: number;
}

export class RangeSet {
  /** Disjoint, in order, never touching. */
  readonly #ranges: Range[] = [];

  /** Adds [from, to), unless a byte of it is there already: then nothing changes and the answer is false. */
  add(from: number, to: number): boolean {
    if (!(from < to) || this.intersects(from, to)) return false;
    let at = this.#ranges.findIndex((range) => range.from >= to);
    if (at < 0) at = this.#ranges.length;
    const before = this.#ranges[at - 1];
    const after = this.#ranges[at];
    const joinsBefore = before?.to === from;
    const joinsAfter = after?.from === to;
    const joined = { from: joinsBefore ? before.from : from, to: joinsAfter ? after.to : to };
    this.#ranges.splice(joinsBefore ? at - 1 : at, (joinsBefore ? 1 : 0) + (joinsAfter ? 1 : 0), joined);
    return true;
  }

  intersects(from: number, to: number): boolean {
    return this.#ranges.some((range) => range.from < to && from < range.to);
  }

  get bytes(): number {
    return this.#ranges.reduce((sum, range) => sum + range.to - range.from, 0);
  }

  /** Pairs from, to; for records. */
  toPairs(): number[] {
    return this.#ranges.flatMap(({ from, to }) => [from, to]);
  }

  static fromPairs(pairs: readonly number[]): RangeSet {
    const set = new RangeSet();
    for (let i = 0; i + 1 < pairs.length; i += 2) set.add(pairs[i]!, pairs[i + 1]!);
    return set;
  }

  forEach(each: (from: number, to: number) => void): void {
    for (const { from, to } of this.#ranges) each(from, to);
  }
}
