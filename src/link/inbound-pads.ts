/**
 * The witness's side of pads: records and erases each segment that the neighbour opens, then takes each of its ranges once.
 *
 * Openings are witnessed in order of names and each name once: an owner whose disk went back in time finds its names used
 * up here, and cannot spend them again.
 */
import { hexOfBytes } from "../model/byte-layout.ts";
import type { SegmentName } from "../model/ids.ts";
import type { KeyMaterial } from "../model/key-material.ts";
import { RangeSet } from "../model/range-set.ts";
import type { SegmentClosing, SegmentOpening } from "../peer/peer-messages.ts";
import { Bell } from "../runtime/bell.ts";
import type { Transaction } from "../store/transaction.ts";
import { readFrame } from "./hop-frame.ts";
import type { LinkParts } from "./link-parts.ts";
import { forgeryBound, TAG_PAD_BYTES, tagVerifies } from "./one-time-tag.ts";
import { framesHashKey, NAMED_BYTES_MAX, openingVerifies, SEGMENT_HEADER_BYTES, witnessedTag } from "./segment-tags.ts";

const OPENINGS_WAITING_MAX = 64;
/** More open at once than any owner of ours opens ahead: the neighbour does not close what it has used up. */
const OPEN_MAX = 48;
/** Segments whose openings failed, before those that are gone are forgotten. */
const OPENING_FAILURES_MAX = 256;
/** Openings that are worked on together and made durable together. */
const TOGETHER_MAX = 16;

interface OpenSegment {
  readonly material: KeyMaterial;
  readonly lengthBytes: number;
  readonly used: RangeSet;
  failures: number;
}

/** A segment whose opening is genuine. */
interface Verified {
  readonly name: SegmentName;
  readonly material: KeyMaterial;
  readonly lengthBytes: number;
  readonly mark: Uint8Array;
}

/** What a frame brought, verified. `pad` is a view of key that is erased when `release` is called. */
export interface OpenedFrame {
  readonly header: Uint8Array;
  readonly ciphertext: Uint8Array;
  readonly pad: Uint8Array;
  /** Erases the pad. To be called in the same turn of the event loop. */
  release(): void;
}

export type FrameRefusal = "tag-wrong" | "not-open" | "used-before" | "malformed";

export class InboundPads {
  readonly #parts: LinkParts;
  readonly #bell = new Bell();
  readonly #open = new Map<SegmentName, OpenSegment>();
  #waiting: (SegmentOpening | SegmentClosing)[] = [];
  /** Their openings are being recorded, and the neighbour still has them open as far as we know. */
  readonly #recording = new Set<SegmentName>();
  /** Of segments not open yet: how often an opening did not verify. */
  readonly #openingFailures = new Map<SegmentName, number>();

  constructor(parts: LinkParts) {
    this.#parts = parts;
  }

  get openBytes(): number {
    let bytes = 0;
    for (const segment of this.#open.values()) bytes += restOf(segment);
    return bytes;
  }

  /**
   * Opens a frame: its range is marked as used once the tag verifies, and never taken again. A frame that does not verify
   * changes nothing but a count; above a bound its segment is closed.
   */
  openFrame(bytes: Uint8Array): OpenedFrame | FrameRefusal {
    const frame = readFrame(bytes);
    const segment = this.#open.get(frame.segment);
    if (segment === undefined) return "not-open";
    const tagAt = frame.padOffset + frame.ciphertext.length;
    const to = tagAt + TAG_PAD_BYTES;
    if (frame.padOffset < SEGMENT_HEADER_BYTES || to > segment.lengthBytes) return "malformed";
    if (segment.used.intersects(frame.padOffset, to)) return "used-before";
    this.#parts.metrics.epsilon.add({ link: this.#parts.link }, forgeryBound(frame.covered.length));
    const verified = segment.material.expose((key) =>
      tagVerifies(framesHashKey(key), key.subarray(tagAt, to), [frame.covered], frame.tag),
    );
    if (!verified) return this.#tagFailed(frame.segment, segment);
    segment.used.add(frame.padOffset, to);
    const { ledger, vault } = this.#parts.stock;
    vault.ledger.move({ owner: ledger, from: "open", to: "pads", bytes: frame.ciphertext.length });
    vault.ledger.move({ owner: ledger, from: "open", to: "tags", bytes: TAG_PAD_BYTES });
    return {
      header: frame.header,
      ciphertext: frame.ciphertext,
      pad: segment.material.expose((key) => key.subarray(frame.padOffset, tagAt)),
      release: () => {
        if (!segment.material.erased) segment.material.expose((key) => key.fill(0, frame.padOffset, to));
      },
    };
  }

  /** Witnesses openings, in order, until `signal` aborts; then all that is open is erased. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const openings = this.#takeOpenings();
      if (openings.length > 0) {
        await this.#witness(openings);
        continue;
      }
      const message = this.#waiting.shift();
      if (message === undefined) await this.#bell.heard(signal);
      else if (message.kind === "segment-closing") {
        this.#close(message.segment, message.reason === "exhausted" ? "tails" : "burned");
      }
    }
    this.close();
  }

  /** Erases what is in memory. */
  close(): void {
    for (const { material } of this.#open.values()) material.erase();
    this.#open.clear();
  }

  /** @returns false when more wait than a well-behaved neighbour sends: its session should end */
  receive(message: SegmentOpening): boolean {
    if (this.#waiting.length >= OPENINGS_WAITING_MAX) return false;
    this.#waiting.push(message);
    this.#bell.ring();
    return true;
  }

  /** Behind the frames that came before it. @returns as `receive` */
  closing(message: SegmentClosing): boolean {
    if (this.#open.has(message.segment)) {
      this.#close(message.segment, message.reason === "exhausted" ? "tails" : "burned");
      return true;
    }
    if (this.#waiting.length >= OPENINGS_WAITING_MAX) return false;
    this.#waiting.push(message); // its opening may still wait
    this.#bell.ring();
    return true;
  }

  /** @param open  what the neighbour has open; undefined when its process started anew, so that it has nothing */
  sessionUp(open: readonly SegmentName[] | undefined): void {
    this.#waiting = [];
    for (const name of this.#recording) if (open?.includes(name) !== true) this.#recording.delete(name);
    for (const name of [...this.#open.keys()]) {
      if (open?.includes(name) !== true) this.#close(name, "burned");
    }
  }

  /** What waits next, as long as it is openings. */
  #takeOpenings(): SegmentOpening[] {
    let count = 0;
    while (count < TOGETHER_MAX && this.#waiting[count]?.kind === "segment-opening") count += 1;
    return this.#waiting.splice(0, count) as SegmentOpening[];
  }

  /** Witnesses openings in their order, made durable together. */
  async #witness(openings: readonly SegmentOpening[]): Promise<void> {
    const { stock, metrics } = this.#parts;
    const verified: Verified[] = [];
    for (const opening of openings) {
      const one = await this.#verify(opening, verified.length);
      if (one !== undefined) verified.push(one);
    }
    // from here to the commit nothing else can come between
    const transaction = stock.vault.transaction();
    const recorded = verified.filter((segment) => this.#record(transaction, segment));
    if (recorded.length === 0) return;
    await stock.vault.commit(transaction); // durable, and erased from disk, before the owner hears of it
    for (const { name, material, lengthBytes } of recorded) {
      this.#open.set(name, { material, lengthBytes, used: new RangeSet(), failures: 0 });
      if (!this.#recording.delete(name))
        this.#close(name, "burned"); // the neighbour started anew meanwhile
      else {
        metrics.openings.add({ link: this.#parts.link, role: "witness" });
        this.#sendWitnessed(name, material);
      }
    }
  }

  /** @returns undefined for an opening that is not to be recorded: it was answered, where it has an answer */
  async #verify({ segment: name, tag, mark }: SegmentOpening, alreadyOpening: number): Promise<Verified | undefined> {
    const { stock, link, selfEnd, log, limits, guards, metrics } = this.#parts;
    const held = this.#open.get(name);
    if (held !== undefined) return void this.#sendWitnessed(name, held.material); // a repeat: the same bytes again
    const record = stock.segment(name);
    if (guards.tags.out !== undefined) return void this.#refuse(name);
    const usedBefore = record === undefined || record.owner === selfEnd || name <= stock.state.witnessedUpTo;
    if (usedBefore) log.warn("opening refused: the name was used before, or is not held", { segment: name });
    if (usedBefore || this.#open.size + alreadyOpening >= Math.max(OPEN_MAX, 2 * limits.openAhead)) {
      return void this.#refuse(name);
    }
    const material = await stock.readSegment(record);
    if (material === undefined) {
      await this.#lost(name);
      return undefined;
    }
    metrics.epsilon.add({ link }, forgeryBound(NAMED_BYTES_MAX));
    if (material.expose((bytes) => openingVerifies(bytes, { link, segment: name }, tag))) {
      return { name, material, lengthBytes: record.lengthBytes, mark };
    }
    material.erase();
    await this.#openingFailed(name);
    return undefined;
  }

  /** Nothing changes: whoever sent it does not hold the key. But it may be tried so often only. */
  async #openingFailed(name: SegmentName): Promise<void> {
    const { stock, metrics, link, log, limits } = this.#parts;
    metrics.tagFailures.add({ link });
    log.warn("opening tag wrong", { segment: name });
    const failures = (this.#openingFailures.get(name) ?? 0) + 1;
    if (this.#openingFailures.size >= OPENING_FAILURES_MAX) this.#forgetOpeningFailures();
    this.#openingFailures.set(name, failures);
    if (failures < limits.tagFailuresMax || stock.segment(name) === undefined) return;
    this.#openingFailures.delete(name);
    const transaction = stock.vault.transaction();
    stock.destroySegment(transaction, name, "burned");
    await stock.vault.commit(transaction);
    this.#closedForTags(name, `${failures} openings of segment ${name} did not verify: burned`);
  }

  #forgetOpeningFailures(): void {
    for (const name of [...this.#openingFailures.keys()]) {
      if (this.#parts.stock.segment(name) === undefined) this.#openingFailures.delete(name);
    }
  }

  #refuse(name: SegmentName): void {
    this.#parts.send({ kind: "segment-closing", segment: name, reason: "refused" });
  }

  /** When it happens again and again, somebody forges: no pad of the neighbour is opened for a while (SECURITY, 1.2). */
  #closedForTags(name: SegmentName, sentence: string): void {
    const { troubles, guards, log } = this.#parts;
    troubles.happened(sentence);
    this.#parts.send({ kind: "segment-closing", segment: name, reason: "tag-failures" });
    if (!guards.tags.failed("tags under the neighbour's pads do not verify")) return;
    log.error("no pad of the neighbour is opened: its tags do not verify", { reason: guards.tags.out!.reason });
    for (const open of [...this.#open.keys()]) {
      this.#close(open, "burned");
      this.#parts.send({ kind: "segment-closing", segment: open, reason: "tag-failures" });
    }
  }

  /** @returns false for a segment that was withdrawn while others were read */
  #record(transaction: Transaction, { name, material, mark }: Verified): boolean {
    const { stock, selfEnd } = this.#parts;
    const record = stock.segment(name);
    if (record === undefined || name <= stock.state.witnessedUpTo) {
      material.erase();
      return false;
    }
    this.#recording.add(name);
    this.#openingFailures.delete(name);
    if (record.phase === "proposed") stock.putSegment(transaction, name, { ...record, phase: "agreed" });
    stock.destroySegment(transaction, name, "open");
    transaction.move({ owner: stock.ledger, from: "open", to: "tags", bytes: SEGMENT_HEADER_BYTES });
    for (const skipped of stock.before(name, selfEnd === "leader" ? "follower" : "leader")) {
      stock.destroySegment(transaction, skipped, "burned");
    }
    stock.setState(transaction, { witnessedUpTo: name, peerMark: hexOfBytes(mark) });
    return true;
  }

  async #lost(name: SegmentName): Promise<void> {
    const { stock, log } = this.#parts;
    log.error("a segment could not be read back from the store: burned", { segment: name });
    const transaction = stock.vault.transaction();
    if (stock.segment(name) !== undefined) stock.destroySegment(transaction, name, "burned");
    await stock.vault.commit(transaction);
    this.#parts.send({ kind: "segment-closing", segment: name, reason: "refused" });
  }

  #sendWitnessed(name: SegmentName, material: KeyMaterial): void {
    const tag = material.expose((bytes) => witnessedTag(bytes, { link: this.#parts.link, segment: name }));
    this.#parts.send({ kind: "segment-witnessed", segment: name, tag });
  }

  #tagFailed(name: SegmentName, segment: OpenSegment): FrameRefusal {
    const { metrics, link, limits } = this.#parts;
    metrics.tagFailures.add({ link });
    segment.failures += 1;
    if (segment.failures >= limits.tagFailuresMax) {
      this.#close(name, "burned");
      this.#closedForTags(name, `${segment.failures} frames under segment ${name} did not verify: closed`);
    }
    return "tag-wrong";
  }

  #close(name: SegmentName, to: "tails" | "burned"): void {
    const segment = this.#open.get(name);
    if (segment === undefined) return;
    this.#open.delete(name);
    segment.material.erase();
    if (segment.failures === 0 && to === "tails") this.#parts.guards.tags.good();
    const { ledger, vault } = this.#parts.stock;
    vault.ledger.move({ owner: ledger, from: "open", to, bytes: restOf(segment) });
  }
}

const restOf = (segment: OpenSegment): number => segment.lengthBytes - SEGMENT_HEADER_BYTES - segment.used.bytes;
