/** Timers by due time; equal times in the order in which they were set. Removing one leaves nothing behind. */

export interface Timer {
  readonly atMs: number;
  readonly order: number;
  /** Who set it: all timers of an owner can be removed at once. */
  readonly owner: object;
  readonly then: () => void;
  /** Its place in the heap; -1 when it is not in there. Kept by the heap. */
  place: number;
}

/** A binary heap in which every timer knows its place, so that a cancelled one leaves at once. */
export class TimerHeap {
  #timers: Timer[] = [];

  get size(): number {
    return this.#timers.length;
  }

  first(): Timer | undefined {
    return this.#timers[0];
  }

  add(timer: Timer): void {
    timer.place = this.#timers.length;
    this.#timers.push(timer);
    this.#rise(timer);
  }

  remove(timer: Timer): void {
    const place = timer.place;
    if (place < 0) return;
    timer.place = -1;
    const last = this.#timers.pop()!;
    if (last === timer) return;
    this.#put(last, place);
    this.#rise(last);
    this.#sink(last);
  }

  removeAllOf(owner: object): void {
    const staying: Timer[] = [];
    for (const timer of this.#timers) {
      timer.place = -1;
      if (timer.owner !== owner) staying.push(timer);
    }
    this.#timers = [];
    for (const timer of staying) this.add(timer);
  }

  #rise(timer: Timer): void {
    while (timer.place > 0) {
      const above = this.#timers[(timer.place - 1) >> 1]!;
      if (!isBefore(timer, above)) return;
      this.#swap(timer, above);
    }
  }

  #sink(timer: Timer): void {
    for (;;) {
      const left = this.#timers[2 * timer.place + 1];
      const right = this.#timers[2 * timer.place + 2];
      const below = right !== undefined && isBefore(right, left!) ? right : left;
      if (below === undefined || !isBefore(below, timer)) return;
      this.#swap(below, timer);
    }
  }

  /** `lower` comes to the place of `upper`, and the other way round. */
  #swap(lower: Timer, upper: Timer): void {
    const place = lower.place;
    this.#put(lower, upper.place);
    this.#put(upper, place);
  }

  #put(timer: Timer, place: number): void {
    this.#timers[place] = timer;
    timer.place = place;
  }
}

function isBefore(one: Timer, other: Timer): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order);
}
