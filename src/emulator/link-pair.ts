/** The quantum side of a link: the same key blocks for both ends, kept until each end has acknowledged them. */
import type { QkdModuleStatus } from "../driver/qkd-driver.ts";
import { hexOfBytes } from "../model/byte-layout.ts";
import type { QkdKeyId } from "../model/ids.ts";
import { BITS_PER_BYTE, SECOND_MS } from "../model/units.ts";
import type { Clock, MonotonicMs } from "../runtime/clock.ts";
import type { Random } from "../runtime/random.ts";
import type { BlockSource } from "./block-source.ts";

export type LinkEnd = "a" | "b";
export const LINK_ENDS: readonly LinkEnd[] = ["a", "b"];

export interface LinkPairOptions {
  readonly rateBps: number;
  /** Absent where no light arrives. */
  readonly qber: number | undefined;
  readonly blockBytes: number;
  /** Key that an end has not acknowledged, at most; then the pair generates no more. */
  readonly keptBytesMax: number;
}

export interface LinkPairParts {
  readonly blocks: BlockSource;
  readonly clock: Clock;
  readonly random: Random;
}

/** A block as one end gives it. `bytes` belong to the pair. */
export interface KeyBlock {
  readonly number: number;
  readonly id: QkdKeyId;
  readonly bytes: Uint8Array;
}

const COUNTER_DIGITS = 16;
/** Blocks come this much earlier or later than the rate says. */
const JITTER = 0.2;
/** Blocks that a late timer catches up with at once, in time; what is later than that was not generated. */
const CATCH_UP_MS = 250;
const QBER_JITTER = 0.02;
/** A slow end gives a tenth, */
const SLOW_SHARE = 0.1;
/** and is behind by this time, not more: the pair waits for it, because key that one end lacks helps nobody. */
const SLOW_LAG_MS = 3 * SECOND_MS;
const SLOW_LAG_BLOCKS_MIN = 4;

interface EndState {
  /** Blocks below are acknowledged. */
  acknowledged: number;
  /** Blocks below were given at least once. */
  given: number;
  readonly flipped: Set<number>;
  /** Blocks that this end never gives. */
  readonly withheld: Set<number>;
  /** Share of the rate at which this end gives new blocks. */
  pace: number;
  /** When it may give the next new one; matters while it is slow. */
  mayGiveAt: MonotonicMs;
  cancelWake: () => void;
  wake: () => void;
}

export class LinkPair {
  readonly #options: LinkPairOptions;
  readonly #parts: LinkPairParts;
  readonly #run: string;
  readonly #ends: Readonly<Record<LinkEnd, EndState>> = { a: newEnd(), b: newEnd() };
  /** Blocks `#first` to `#first + #kept.length - 1`. */
  #kept: Uint8Array<ArrayBuffer>[] = [];
  #first = 0;
  /** The block that was generated last, for those that are to repeat it. */
  #last: Uint8Array<ArrayBuffer> | undefined;
  #nextIs: "new" | "zero" | "repeat" = "new";
  #isStuck = false;
  #isCut = false;
  #nextAt: MonotonicMs;
  #cancelTimer: () => void = () => undefined;

  constructor(options: LinkPairOptions, parts: LinkPairParts) {
    this.#options = options;
    this.#parts = parts;
    this.#run = hexOfBytes(parts.blocks.run);
    this.#nextAt = parts.clock.monotonic();
    this.#schedule();
  }

  get generatedBlocks(): number {
    return this.#first + this.#kept.length;
  }

  /** `wake` is called whenever there may be something new to say at this end. */
  onChange(end: LinkEnd, wake: () => void): void {
    this.#ends[end].wake = wake;
  }

  status(): QkdModuleStatus {
    const { rateBps, qber } = this.#options;
    if (this.#isCut) return { state: "aligning", reason: "no light from the other end" };
    if (rateBps === 0) return { state: "faulty", reason: "the loss is too high for any key" };
    const secretKeyRateBps = rateBps * this.#pace;
    if (qber === undefined) return { state: "generating", secretKeyRateBps };
    return { state: "generating", qber: qber * this.#jittered(QBER_JITTER), secretKeyRateBps };
  }

  /** The oldest block that this end has not acknowledged. */
  firstKept(end: LinkEnd): number {
    return this.#ends[end].acknowledged;
  }

  /** @returns undefined for an id of another run: of modules that were here before */
  numberOf(id: QkdKeyId): number | undefined {
    return id.startsWith(this.#run) ? Number.parseInt(id.slice(-COUNTER_DIGITS), 16) : undefined;
  }

  /** @returns undefined while there is no such block yet, or the end is too slow for it; `wake` is called when there is */
  block(end: LinkEnd, number: number): KeyBlock | undefined {
    const bytes = this.#kept[number - this.#first];
    const state = this.#ends[end];
    if (bytes === undefined || !this.#mayGive(state, number)) return undefined;
    state.given = Math.max(state.given, number + 1);
    const id = (this.#run + number.toString(16).padStart(COUNTER_DIGITS, "0")) as QkdKeyId;
    return { number, id, bytes: state.flipped.has(number) ? withFlippedBit(bytes) : bytes };
  }

  /** This end's host has stored the block and those before it. */
  acknowledge(end: LinkEnd, number: number): void {
    const state = this.#ends[end];
    state.acknowledged = Math.max(state.acknowledged, Math.min(number + 1, this.generatedBlocks));
    const done = Math.min(this.#ends.a.acknowledged, this.#ends.b.acknowledged) - this.#first;
    if (done <= 0) return;
    for (const bytes of this.#kept.splice(0, done)) bytes.fill(0);
    this.#first += done;
    for (const { flipped, withheld } of Object.values(this.#ends)) {
      for (const marks of [flipped, withheld]) for (const mark of marks) if (mark < this.#first) marks.delete(mark);
    }
    this.#schedule();
  }

  /** One bit of the next block that this end has not given yet is wrong, however often it is given. */
  flipNextBit(end: LinkEnd): void {
    const state = this.#ends[end];
    let number = state.given;
    while (state.flipped.has(number)) number += 1;
    state.flipped.add(number);
  }

  /** The next block that this end has not given yet is never given by it. */
  withholdNext(end: LinkEnd): void {
    const state = this.#ends[end];
    let number = state.given;
    while (state.withheld.has(number)) number += 1;
    state.withheld.add(number);
  }

  isWithheld(end: LinkEnd, number: number): boolean {
    return this.#ends[end].withheld.has(number);
  }

  /** The next block, at both ends: nothing but zeros, or the bytes of the one before. */
  spoilNext(how: "zero" | "repeat"): void {
    this.#nextIs = how;
  }

  /** A stuck pair gives the same bytes again and again, at both ends, under new ids. */
  setStuck(isStuck: boolean): void {
    this.#isStuck = isStuck;
  }

  get isStuck(): boolean {
    return this.#isStuck;
  }

  /** A slow end gives a tenth of the rate; the other end has no more key than both have. */
  setSlow(end: LinkEnd, isSlow: boolean): void {
    this.#ends[end].pace = isSlow ? SLOW_SHARE : 1;
    this.#schedule();
    this.#wakeBoth();
  }

  isSlow(end: LinkEnd): boolean {
    return this.#ends[end].pace < 1;
  }

  get isCut(): boolean {
    return this.#isCut;
  }

  /** A cut fibre: no key until it is restored. */
  setCut(isCut: boolean): void {
    this.#isCut = isCut;
    this.#schedule();
    this.#wakeBoth();
  }

  /** Stops generating, and overwrites what is kept. */
  close(): void {
    this.#cancelTimer();
    for (const { cancelWake } of Object.values(this.#ends)) cancelWake();
    for (const bytes of this.#kept) bytes.fill(0);
    this.#last?.fill(0);
    this.#kept = [];
  }

  /** The slower end's: what one of them lacks helps nobody. */
  get #pace(): number {
    return Math.min(this.#ends.a.pace, this.#ends.b.pace);
  }

  get #blockMs(): number {
    const { rateBps, blockBytes } = this.#options;
    return (blockBytes * BITS_PER_BYTE * SECOND_MS) / rateBps;
  }

  /** What was given before is given again at once. */
  #mayGive(state: EndState, number: number): boolean {
    if (state.pace === 1 || number < state.given) return true;
    const now = this.#parts.clock.monotonic();
    if (now < state.mayGiveAt) {
      state.cancelWake();
      state.cancelWake = this.#parts.clock.after(state.mayGiveAt - now, () => state.wake());
      return false;
    }
    state.mayGiveAt = now + this.#blockMs / state.pace;
    return true;
  }

  #schedule(): void {
    this.#cancelTimer();
    if (this.#isCut || this.#options.rateBps === 0 || this.#isFull()) {
      this.#cancelTimer = () => undefined;
      return;
    }
    const now = this.#parts.clock.monotonic();
    this.#nextAt = Math.max(this.#nextAt, now - CATCH_UP_MS);
    this.#cancelTimer = this.#parts.clock.after(Math.max(0, this.#nextAt - now), () => this.#generate());
  }

  /** A full end stops both: key that one of them lacks helps nobody. */
  #generate(): void {
    const now = this.#parts.clock.monotonic();
    while (this.#nextAt <= now && !this.#isFull()) {
      this.#kept.push(this.#newBlock());
      this.#nextAt += this.#blockMs * this.#jittered(JITTER);
    }
    this.#schedule();
    this.#wakeBoth();
  }

  #newBlock(): Uint8Array<ArrayBuffer> {
    const { blockBytes } = this.#options;
    const bytes = this.#parts.blocks.block(this.generatedBlocks, blockBytes);
    if (this.#nextIs === "zero") bytes.fill(0);
    else if (this.#last !== undefined && (this.#isStuck || this.#nextIs === "repeat")) bytes.set(this.#last);
    this.#nextIs = "new";
    this.#last ??= new Uint8Array(new ArrayBuffer(blockBytes));
    this.#last.set(bytes);
    return bytes;
  }

  #isFull(): boolean {
    const { blockBytes, keptBytesMax } = this.#options;
    const lagBlocks = Math.max(SLOW_LAG_BLOCKS_MIN, (SLOW_LAG_MS * this.#pace) / this.#blockMs);
    const bytesMax = this.#pace === 1 ? keptBytesMax : Math.min(keptBytesMax, lagBlocks * blockBytes);
    return (this.#kept.length + 1) * blockBytes > bytesMax;
  }

  #jittered(share: number): number {
    return 1 + share * (2 * this.#parts.random.fraction() - 1);
  }

  #wakeBoth(): void {
    this.#ends.a.wake();
    this.#ends.b.wake();
  }
}

const newEnd = (): EndState => ({
  acknowledged: 0,
  given: 0,
  flipped: new Set(),
  withheld: new Set(),
  pace: 1,
  mayGiveAt: 0,
  cancelWake: () => undefined,
  wake: () => undefined,
});

function withFlippedBit(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const flipped = new Uint8Array(new ArrayBuffer(bytes.length));
  flipped.set(bytes);
  flipped[bytes.length >>> 1]! ^= 1;
  return flipped;
}
