/**
 * The quantum side of an emulated link in virtual time: which key blocks exist by now, the same for both ends.
 *
 * Nothing runs by itself: what was generated is worked out when somebody asks.
 */
import { createSeededBlockSource, type BlockSource } from "../../src/emulator/block-source.ts";
import type { LinkEnd } from "../../src/emulator/link-pair.ts";
import { KeyBatchBuilder } from "../../src/driver/key-batch-builder.ts";
import type { QkdKeyBatch, QkdModuleStatus } from "../../src/driver/qkd-driver.ts";
import { hexOfBytes } from "../../src/model/byte-layout.ts";
import type { QkdKeyId } from "../../src/model/ids.ts";
import { BITS_PER_BYTE, SECOND_MS } from "../../src/model/units.ts";
import type { Clock, MonotonicMs } from "../../src/runtime/clock.ts";

export interface EmulatedPairOptions {
  readonly name: string;
  readonly seed: string;
  /**
   * Times the generation of key. Without it, the clock of the host that opens first does: in a world whose nodes die,
   * give one that lives as long as the modules.
   */
  readonly clock?: Clock;
  readonly rateBps: number;
  readonly blockBytes?: number;
  /** Key that an end has not acknowledged, at most; then the pair generates no more. */
  readonly unacknowledgedBytesMax?: number;
  readonly qber?: number;
  /** A waiting reader looks again after this time at the earliest: keys come in bursts, and a simulation stays cheap. */
  readonly burstMs?: number;
}

const BLOCK_BYTES_DEFAULT = 4096;
const UNACKNOWLEDGED_BYTES_MAX_DEFAULT = 1 << 20;
const BATCH_BYTES_MAX = 1 << 18;
const BURST_MS_DEFAULT = 100;
const QBER_DEFAULT = 0.031;
const COUNTER_DIGITS = 16;

/** One end as the pair sees it. Block numbers count from 0. */
interface End {
  isStalled: boolean;
  /** Blocks below are forgotten. */
  acknowledged: number;
  /** Blocks below were given at least once. */
  given: number;
  readonly flipped: Set<number>;
  readonly lost: Set<number>;
  /** Called when there may be something new for this end before its time. */
  wake: () => void;
}

export class EmulatedPair {
  readonly #blockBytes: number;
  readonly #qber: number;
  readonly #blocks: BlockSource;
  readonly #run: string;
  readonly #keptMax: number;
  readonly #burstMs: number;
  readonly #ends: Readonly<Record<LinkEnd, End>> = { a: newEnd(), b: newEnd() };
  #clock: Clock | undefined;
  #rateBps: number;
  #isCut = false;
  #generated = 0;
  #nextAt: MonotonicMs | undefined;

  constructor(options: EmulatedPairOptions) {
    this.#blockBytes = options.blockBytes ?? BLOCK_BYTES_DEFAULT;
    this.#qber = options.qber ?? QBER_DEFAULT;
    this.#blocks = createSeededBlockSource(`${options.seed} ${options.name}`);
    this.#run = hexOfBytes(this.#blocks.run);
    const keptBytesMax = options.unacknowledgedBytesMax ?? UNACKNOWLEDGED_BYTES_MAX_DEFAULT;
    this.#keptMax = Math.max(1, Math.floor(keptBytesMax / this.#blockBytes));
    this.#burstMs = options.burstMs ?? BURST_MS_DEFAULT;
    this.#rateBps = options.rateBps;
    if (options.clock !== undefined) this.startAt(options.clock);
  }

  /** Generation begins now, unless it has begun. */
  startAt(clock: Clock): void {
    if (this.#clock !== undefined) return;
    this.#clock = clock;
    this.#postpone();
  }

  onChange(end: LinkEnd, wake: () => void): void {
    this.#ends[end].wake = wake;
  }

  status(): QkdModuleStatus {
    if (this.#isCut) return { state: "aligning" };
    return { state: "generating", qber: this.#qber, secretKeyRateBps: this.#rateBps };
  }

  /** The first block that this end has to give: what it gave and nobody acknowledged comes again. */
  firstKept(which: LinkEnd, after: QkdKeyId | undefined): number {
    if (after?.startsWith(this.#run) === true) this.acknowledge(which, this.#numberOf(after));
    return this.#ends[which].acknowledged;
  }

  acknowledge(which: LinkEnd, number: number): void {
    const end = this.#ends[which];
    this.#generate();
    const wasFull = this.#room() <= 0;
    end.acknowledged = Math.max(end.acknowledged, Math.min(number + 1, this.#generated));
    if (wasFull && this.#room() > 0) this.#goOn();
  }

  /** Blocks from `from` on that exist by now, as much as a batch holds; and where the next batch starts. */
  take(which: LinkEnd, from: number): { readonly batch: QkdKeyBatch | undefined; readonly next: number } {
    const end = this.#ends[which];
    const keys = new KeyBatchBuilder();
    this.#generate();
    let number = from;
    const bytesMax = Math.max(1, BATCH_BYTES_MAX - this.#blockBytes);
    for (; !end.isStalled && number < this.#generated && keys.lengthBytes < bytesMax; number++) {
      if (!end.lost.has(number)) this.#add(keys, end, number);
    }
    end.given = Math.max(end.given, number);
    return { batch: keys.take(), next: number };
  }

  /** How long a reader waits for the next block; undefined where only somebody's act brings one. */
  nextBlockInMs(): number | undefined {
    this.#generate();
    if (this.#nextAt === undefined || this.#isCut || this.#room() <= 0) return undefined;
    // Whole milliseconds: a clock that wakes a hair too early would otherwise be asked for a wait that moves no time.
    return Math.max(1, this.#burstMs, Math.ceil(this.#nextAt - this.#clock!.monotonic()));
  }

  generatedBlocks(): number {
    this.#generate();
    return this.#generated;
  }

  keptBlocks(end: LinkEnd): number {
    return this.generatedBlocks() - this.#ends[end].acknowledged;
  }

  flipNextBit(end: LinkEnd): void {
    this.#ends[end].flipped.add(this.#nextUngiven(end, this.#ends[end].flipped));
  }

  loseNextBlock(end: LinkEnd): void {
    this.#ends[end].lost.add(this.#nextUngiven(end, this.#ends[end].lost));
  }

  setCut(isCut: boolean): void {
    this.#generate();
    if (this.#isCut === isCut) return;
    this.#isCut = isCut;
    if (!isCut) this.#goOn();
  }

  setStalled(end: LinkEnd, isStalled: boolean): void {
    this.#ends[end].isStalled = isStalled;
    if (!isStalled) this.#ends[end].wake();
  }

  setRate(rateBps: number): void {
    this.#generate();
    this.#rateBps = rateBps;
    this.#goOn();
  }

  /** Brings the count of generated blocks up to now. A full end stops both: key that one of them lacks helps nobody. */
  #generate(): void {
    if (this.#clock === undefined || this.#nextAt === undefined || this.#isCut) return;
    const now = this.#clock.monotonic();
    if (now < this.#nextAt) return;
    const due = Math.floor((now - this.#nextAt) / this.#intervalMs()) + 1;
    const made = Math.max(0, Math.min(due, this.#room()));
    this.#generated += made;
    if (made === due) this.#nextAt += made * this.#intervalMs();
    else this.#postpone();
  }

  /** The next block is a whole interval away. */
  #postpone(): void {
    if (this.#clock === undefined) return;
    this.#nextAt = this.#rateBps > 0 ? this.#clock.monotonic() + this.#intervalMs() : undefined;
  }

  #goOn(): void {
    this.#postpone();
    this.#ends.a.wake();
    this.#ends.b.wake();
  }

  #intervalMs(): number {
    return (this.#blockBytes * BITS_PER_BYTE * SECOND_MS) / this.#rateBps;
  }

  #room(): number {
    const oldestKept = Math.min(this.#ends.a.acknowledged, this.#ends.b.acknowledged);
    return this.#keptMax - (this.#generated - oldestKept);
  }

  #nextUngiven(which: LinkEnd, taken: ReadonlySet<number>): number {
    let number = this.#ends[which].given;
    while (taken.has(number)) number += 1;
    return number;
  }

  #add(keys: KeyBatchBuilder, end: End, number: number): void {
    const bytes = this.#blocks.block(number, this.#blockBytes);
    if (end.flipped.has(number)) bytes[number % bytes.length]! ^= 1 << (number % BITS_PER_BYTE);
    keys.add(this.#idOf(number), bytes);
    bytes.fill(0);
  }

  #idOf(number: number): QkdKeyId {
    return (this.#run + number.toString(16).padStart(COUNTER_DIGITS, "0")) as QkdKeyId;
  }

  #numberOf(id: QkdKeyId): number {
    return Number.parseInt(id.slice(-COUNTER_DIGITS), 16);
  }
}

const newEnd = (): End => ({
  isStalled: false,
  acknowledged: 0,
  given: 0,
  flipped: new Set(),
  lost: new Set(),
  wake: () => undefined,
});
