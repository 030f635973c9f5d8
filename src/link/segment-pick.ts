/** Picks the keys of the next segment (pure): those that supply its header first, then payload, until it is full. */
import type { IdRanges } from "../model/id-ranges.ts";
import { counterOf } from "../model/qkd-key-runs.ts";
import { isBorder } from "./chunk-borders.ts";
import { SEGMENT_BYTES_MIN } from "./link-parts.ts";
import { partAt, partOf, type KeySpan } from "./quarantine.ts";
import { SEGMENT_BYTES_MAX, SEGMENT_HEADER_BYTES } from "./segment-tags.ts";

/** One manifest names at most this many runs. */
const SPANS_MAX = 4_096;
/** A segment that is this full, as a part of the usual, ends where the next chunk begins, so that it need not be cut. */
const WORTH_ENDING = 1 / 4;

export interface Picked {
  readonly keys: readonly KeySpan[];
  /** There is no room for more. Otherwise it is worth waiting for more keys, for a while. */
  readonly full: boolean;
}

export class SegmentPick {
  readonly #segmentBytes: number;
  readonly #named: IdRanges<unknown>;
  readonly #header: KeySpan[] = [];
  readonly #payload: KeySpan[] = [];
  #headerBytes = 0;
  #bytes = 0;
  #full = false;
  /** A long key that fits behind no header but its own. */
  #alone: KeySpan | undefined;

  /** @param named  keys that a manifest has named before: payload, never header */
  constructor(segmentBytes: number, named: IdRanges<unknown>) {
    this.#segmentBytes = segmentBytes;
    this.#named = named;
  }

  /** Takes of the span what fits. @returns false when no more is wanted */
  take(span: KeySpan): boolean {
    const { first, keyBytes } = span;
    const endsHere = this.#isComplete() && this.#bytes >= WORTH_ENDING * this.#segmentBytes;
    if (endsHere && isBorder(first, keyBytes, this.#segmentBytes)) this.#full = true;
    if (this.#full && this.#isComplete()) return false;
    for (const { keys, isNamed } of this.#apart(span)) if (!this.#takeAlike(keys, isNamed)) return false;
    return true;
  }

  /** @returns undefined when there is too little for any segment */
  picked(): Picked | undefined {
    this.#trim();
    if (this.#bytes < SEGMENT_BYTES_MIN && this.#alone !== undefined) return { keys: [this.#alone], full: true };
    if (!this.#isComplete() || this.#bytes > SEGMENT_BYTES_MAX) return undefined;
    const full = this.#full || this.#bytes >= this.#segmentBytes;
    return { keys: [...this.#header, ...this.#payload], full };
  }

  #isComplete(): boolean {
    return this.#headerBytes >= SEGMENT_HEADER_BYTES && this.#bytes >= SEGMENT_BYTES_MIN;
  }

  /** Keys of which all, or none, were named before. */
  #takeAlike(keys: KeySpan, isNamed: boolean): boolean {
    let rest: KeySpan | undefined = keys;
    if (!isNamed && this.#headerBytes < SEGMENT_HEADER_BYTES) {
      const wanted = Math.ceil((SEGMENT_HEADER_BYTES - this.#headerBytes) / keys.keyBytes);
      const count = Math.min(keys.count, wanted);
      this.#header.push(partOf(keys, 0, count));
      this.#headerBytes += count * keys.keyBytes;
      this.#bytes += count * keys.keyBytes;
      rest = count < keys.count ? partOf(keys, count, keys.count - count) : undefined;
    }
    if (rest === undefined) return true;
    const room = Math.max(0, Math.floor((this.#segmentBytes - this.#bytes) / rest.keyBytes));
    const count = Math.min(rest.count, this.#bytes === 0 ? Math.max(1, room) : room);
    if (count > 0) {
      this.#payload.push(partOf(rest, 0, count));
      this.#bytes += count * rest.keyBytes;
    }
    if (count < rest.count) {
      this.#full = true;
      if (!isNamed) this.#alone ??= partOf(rest, count, 1);
    }
    if (this.#header.length + this.#payload.length >= SPANS_MAX) this.#full = true;
    return !(this.#full && this.#isComplete());
  }

  #apart(span: KeySpan): { readonly keys: KeySpan; readonly isNamed: boolean }[] {
    if (this.#named.rangeCount === 0) return [{ keys: span, isNamed: false }];
    const named = [...this.#named.parts(span)].map((part) => ({ keys: partAt(span, part), isNamed: true }));
    const fresh = this.#named.gaps(span).map((gap) => ({ keys: partAt(span, gap), isNamed: false }));
    return [...named, ...fresh].sort((one, other) => counterOf(one.keys.first) - counterOf(other.keys.first));
  }

  /** A header that came behind much payload may have made it too long. */
  #trim(): void {
    while (this.#bytes > SEGMENT_BYTES_MAX) {
      const last = this.#payload.pop();
      if (last === undefined) return;
      const tooMany = Math.min(last.count, Math.ceil((this.#bytes - SEGMENT_BYTES_MAX) / last.keyBytes));
      this.#bytes -= tooMany * last.keyBytes;
      if (tooMany < last.count) this.#payload.push(partOf(last, 0, last.count - tooMany));
    }
  }
}
