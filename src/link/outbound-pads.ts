/**
 * The owner's side of pads: opens segments of our direction ahead of need, and spends them strictly forward.
 *
 * An opened segment is never resumed. Its order of steps: read into memory; durably gone from the stock, with `openedUpTo`
 * at its name; data keys destroyed; then told to the neighbour; used only after the neighbour said that it witnessed that.
 */
import type { SegmentName } from "../model/ids.ts";
import type { KeyMaterial } from "../model/key-material.ts";
import { SECOND_MS } from "../model/units.ts";
import type { SegmentClosing, SegmentOpening, SegmentWitnessed } from "../peer/peer-messages.ts";
import { Bell } from "../runtime/bell.ts";
import type { MonotonicMs } from "../runtime/clock.ts";
import type { Transaction } from "../store/transaction.ts";
import { layFrame } from "./hop-frame.ts";
import type { LinkParts } from "./link-parts.ts";
import type { SegmentRecord } from "./link-records.ts";
import { makeMark } from "./mark.ts";
import { forgeryBound, oneTimeTag, TAG_PAD_BYTES } from "./one-time-tag.ts";
import { framesHashKey, NAMED_BYTES_MAX, openingTag, SEGMENT_HEADER_BYTES, witnessedVerifies } from "./segment-tags.ts";
import { RateMeter } from "./rate-meter.ts";
import { SKEW_ALLOWED_MS } from "./sweep.ts";

/** A rest of a segment shorter than this is not worth a frame. */
const FRAME_PAYLOAD_BYTES_MIN = 16;
const FRAME_COST_MIN = FRAME_PAYLOAD_BYTES_MIN + TAG_PAD_BYTES;
const WITNESS_REPEAT_MS = 1_000;
const WITNESS_WAIT_MAX_MS = 15_000;

/** Slow links make small segments: more of them are opened, so that a relay of some kilobytes finds its pad. */
const OPEN_BYTES_MIN = 16_384;
/**
 * Where pad is spent fast, so much time's worth of it is opened ahead, and at least twice what an opening takes, witness and
 * all: spending that only waits for openings then doubles until something else holds it.
 */
const OPEN_AHEAD_MS = 1_000;
const OPENINGS_AHEAD = 2;
const OPENING_SMOOTHING = 0.2;
const SPENT_WINDOW_MS = 1_000;
const OPEN_BYTES_MAX = 1_048_576;
/** What somebody lacked is kept open for so long. */
const WANTED_MS = 3_000;
const SEGMENTS_OPEN_MAX = 16;

interface OpenSegment {
  readonly name: SegmentName;
  readonly material: KeyMaterial;
  readonly lengthBytes: number;
  readonly wantedAt: MonotonicMs;
  readonly openedAt: MonotonicMs;
  /** The witness was told in this session. */
  told: boolean;
  witnessed: boolean;
  /** Answers of the witness that did not verify. */
  failures: number;
  cursor: number;
}

export class OutboundPads {
  readonly #parts: LinkParts;
  readonly #onPads: () => void;
  readonly #bell = new Bell();
  /** In the order of opening, which is the order of use. */
  #open: OpenSegment[] = [];
  readonly #exhausted: SegmentName[] = [];
  #opening: readonly SegmentName[] = [];
  readonly #rate: RateMeter;
  /** From wanting a segment to its being witnessed, smoothed. */
  #openingMs = 0;
  #wantedBytes = 0;
  #wantedUntil: MonotonicMs = 0;
  #up = false;
  #spentBytes = 0;

  /** @param onPads  called when more pad may be used */
  constructor(parts: LinkParts, onPads: () => void) {
    this.#parts = parts;
    this.#onPads = onPads;
    this.#rate = new RateMeter(parts.clock, () => this.#spentBytes, SPENT_WINDOW_MS);
  }

  /** Payload bytes that can be sent at once, in as many frames as there are open segments. */
  availableBytes(): number {
    if (!this.#up) return 0;
    let bytes = 0;
    for (const segment of this.#open) {
      if (segment.witnessed) bytes += Math.max(0, restOf(segment) - TAG_PAD_BYTES);
    }
    return bytes;
  }

  get openBytes(): number {
    return this.#open.reduce((sum, segment) => sum + restOf(segment), 0);
  }

  /** With those that are being opened just now: the neighbour must keep its copies. */
  get openNames(): readonly SegmentName[] {
    return [...this.#open.map(({ name }) => name), ...this.#opening];
  }

  /** Pad and tag bytes spent since the start: what demand is measured by. */
  get spentBytes(): number {
    return this.#spentBytes;
  }

  /**
   * Spends pad for one frame of at most `payloadMax` bytes and returns the frame. The pad is spent whether or not the frame
   * is sent.
   *
   * @param headerFor  the frame's header, for the number of payload bytes that the frame takes
   * @param fill       writes the ciphertext, given the pad of the same length
   * @returns undefined when no pad is open; then nothing is spent and neither function was called
   */
  seal(
    payloadMax: number,
    headerFor: (payloadBytes: number) => Uint8Array,
    fill: (ciphertext: Uint8Array, pad: Uint8Array) => void,
  ): { readonly bytes: Uint8Array; readonly payloadBytes: number } | undefined {
    const segment = this.#open.find(({ witnessed }) => witnessed);
    if (!this.#up || segment === undefined) return undefined;
    const payloadBytes = Math.min(payloadMax, restOf(segment) - TAG_PAD_BYTES);
    const from = segment.cursor;
    segment.cursor += payloadBytes + TAG_PAD_BYTES; // spent from here on, whatever happens below
    this.#spentBytes += payloadBytes + TAG_PAD_BYTES;
    const { ledger, vault } = this.#parts.stock;
    vault.ledger.move({ owner: ledger, from: "open", to: "pads", bytes: payloadBytes });
    vault.ledger.move({ owner: ledger, from: "open", to: "tags", bytes: TAG_PAD_BYTES });
    const frame = layFrame(segment.name, from, headerFor(payloadBytes), payloadBytes);
    segment.material.expose((bytes) => {
      const tagPad = bytes.subarray(from + payloadBytes, segment.cursor);
      fill(frame.ciphertext, bytes.subarray(from, from + payloadBytes));
      frame.tag.set(oneTimeTag(framesHashKey(bytes), tagPad, [frame.covered]));
      bytes.fill(0, from, segment.cursor);
    });
    this.#closeWhenExhausted(segment);
    return { bytes: frame.bytes, payloadBytes };
  }

  /** Opens ahead until `signal` aborts; then all that is open is erased. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#tellExhausted();
      if (this.#up && (await this.#openMore())) continue;
      this.#repeatOpenings();
      const cancel = this.#parts.clock.after(WITNESS_REPEAT_MS, () => this.#bell.ring());
      await this.#bell.heard(signal);
      cancel();
    }
    this.close();
  }

  /** Erases what is in memory. */
  close(): void {
    for (const { material } of this.#open) material.erase();
    this.#open = [];
  }

  /** What does not fit the line now is told at the next turn: the witness holds its copy until then. */
  #tellExhausted(): void {
    while (this.#up && this.#exhausted.length > 0) {
      const segment = this.#exhausted[0]!;
      if (!this.#parts.send({ kind: "segment-closing", segment, reason: "exhausted" })) return;
      this.#exhausted.shift();
    }
  }

  /** @returns whether one more segment of this length should be open, when there are so many of so many bytes */
  #isWanted(lengthBytes: number, open: { readonly segments: number; readonly bytes: number }): boolean {
    if (open.segments < this.#parts.limits.openAhead) return true;
    if (open.segments >= SEGMENTS_OPEN_MAX || open.bytes + lengthBytes > OPEN_BYTES_MAX) return false;
    const aheadMs = Math.max(OPEN_AHEAD_MS, OPENINGS_AHEAD * this.#openingMs);
    const ahead = (this.#rate.perSecond() * aheadMs) / SECOND_MS;
    const wanted = this.#parts.clock.monotonic() < this.#wantedUntil ? this.#wantedBytes : 0;
    return open.bytes < Math.max(OPEN_BYTES_MIN, ahead, wanted);
  }

  stockChanged(): void {
    this.#bell.ring();
  }

  /** So much pad should be open: there was too little for somebody, who asks again soon. */
  want(bytes: number): void {
    const now = this.#parts.clock.monotonic();
    this.#wantedBytes = now < this.#wantedUntil ? Math.max(this.#wantedBytes, bytes) : bytes;
    this.#wantedUntil = now + WANTED_MS;
    this.#bell.ring();
  }

  /** @param peerIsNew  the neighbour's process started anew: what it had witnessed is gone from its memory */
  sessionUp(peerIsNew: boolean): void {
    if (peerIsNew) this.#burn(() => true, "the neighbour started anew");
    this.#up = true;
    this.#exhausted.length = 0; // the hello listed what is open: all else is closed there already
    for (const segment of this.#open) segment.told = segment.witnessed;
    this.#tellOpenings();
    this.#bell.ring();
  }

  sessionDown(): void {
    this.#up = false;
  }

  witnessed({ segment: name, tag }: SegmentWitnessed): void {
    const { link, metrics, log, limits } = this.#parts;
    const segment = this.#open.find((open) => open.name === name);
    if (segment === undefined || segment.witnessed) return;
    metrics.epsilon.add({ link }, forgeryBound(NAMED_BYTES_MAX));
    if (!segment.material.expose((bytes) => witnessedVerifies(bytes, { link, segment: name }, tag))) {
      metrics.tagFailures.add({ link });
      log.warn("witness tag wrong", { segment: name });
      segment.failures += 1;
      if (segment.failures >= limits.tagFailuresMax) {
        this.#parts.send({ kind: "segment-closing", segment: name, reason: "tag-failures" });
        this.#burn((open) => open === segment, "answers to its opening did not verify");
      }
      return;
    }
    segment.witnessed = true;
    this.#openingMs += OPENING_SMOOTHING * (this.#parts.clock.monotonic() - segment.wantedAt - this.#openingMs);
    metrics.openings.add({ link, role: "owner" });
    this.#onPads();
  }

  closed({ segment: name, reason }: SegmentClosing): void {
    this.#burn((segment) => segment.name === name, `the neighbour closed it: ${reason}`);
    this.#bell.ring();
  }

  /**
   * Opens what is wanted, together: one commit for all of them.
   *
   * @returns false when there is nothing to open
   */
  async #openMore(): Promise<boolean> {
    const { stock } = this.#parts;
    const wanted = this.#wanted();
    if (wanted.length === 0) return false;
    const wantedAt = this.#parts.clock.monotonic();
    const read = await Promise.all(
      wanted.map(async ([name, record]) => ({ name, record, material: await stock.readSegment(record) })),
    );
    // from here to the commit nothing else can come between
    const transaction = stock.vault.transaction();
    const opened = read.filter((segment) => this.#takeOut(transaction, segment));
    this.#opening = opened.map(({ name }) => name);
    await stock.vault.commit(transaction); // erased from disk; from here on they live in memory alone
    this.#opening = [];
    const openedAt = this.#parts.clock.monotonic();
    for (const { name, record, material } of opened) {
      const { lengthBytes } = record;
      const times = { wantedAt, openedAt };
      const segment = {
        name,
        material: material!,
        lengthBytes,
        ...times,
        told: false,
        witnessed: false,
        failures: 0,
        cursor: SEGMENT_HEADER_BYTES,
      };
      this.#open.push(segment);
    }
    this.#tellOpenings();
    return true;
  }

  #wanted(): (readonly [SegmentName, SegmentRecord])[] {
    const { stock, selfEnd } = this.#parts;
    const wanted: (readonly [SegmentName, SegmentRecord])[] = [];
    const open = { segments: this.#open.length, bytes: this.openBytes };
    for (const entry of stock.toOpen(selfEnd)) {
      const { lengthBytes } = entry[1];
      if (!this.#isWanted(lengthBytes, open)) break;
      wanted.push(entry);
      open.segments += 1;
      open.bytes += lengthBytes;
    }
    return wanted;
  }

  /** @returns whether it is to be used: it was not withdrawn while it was read, came in time, and could be read */
  #takeOut(
    transaction: Transaction,
    { name, record, material }: { name: SegmentName; record: SegmentRecord; material: KeyMaterial | undefined },
  ): boolean {
    const { stock, clock, log } = this.#parts;
    const isHeld = stock.segment(name) === record;
    const tooLate = name <= stock.state.openedUpTo; // agreed after a later one was opened: the witness would refuse it
    const expired = clock.wall() > record.expiresAt - SKEW_ALLOWED_MS;
    if (isHeld && !tooLate && !expired && material !== undefined) {
      stock.destroySegment(transaction, name, "open");
      transaction.move({ owner: stock.ledger, from: "open", to: "tags", bytes: SEGMENT_HEADER_BYTES });
      stock.setState(transaction, { openedUpTo: name });
      return true;
    }
    material?.erase();
    if (!isHeld) return false;
    stock.destroySegment(transaction, name, expired && !tooLate ? "expired" : "burned");
    if (material === undefined) {
      log.error("a segment could not be read back from the store: burned", { segment: name });
    }
    return false;
  }

  /** In their order: the witness burns what was passed over, so none is told before those that did not fit the line. */
  #tellOpenings(): void {
    for (const segment of this.#open) {
      if (!this.#up || (!segment.told && !this.#sendOpening(segment))) return;
      segment.told = true;
    }
  }

  #sendOpening({ name, material }: OpenSegment): boolean {
    const { link, stock } = this.#parts;
    const tag = material.expose((bytes) => openingTag(bytes, { link, segment: name }));
    const opening: SegmentOpening = { kind: "segment-opening", segment: name, tag, mark: makeMark(stock.vault) };
    return this.#parts.send(opening);
  }

  /** The same bytes again, to a witness that has not answered; after a while the segment is given up. */
  #repeatOpenings(): void {
    if (!this.#up) return;
    const now = this.#parts.clock.monotonic();
    const givenUp = (segment: OpenSegment): boolean =>
      !segment.witnessed && now - segment.openedAt > WITNESS_WAIT_MAX_MS;
    for (const { name } of this.#open.filter(givenUp)) {
      this.#parts.send({ kind: "segment-closing", segment: name, reason: "burned" });
    }
    this.#burn(givenUp, "the neighbour did not witness its opening");
    for (const segment of this.#open) {
      if (segment.told && !segment.witnessed && now - segment.openedAt >= WITNESS_REPEAT_MS) this.#sendOpening(segment);
    }
    this.#tellOpenings();
  }

  #closeWhenExhausted(segment: OpenSegment): void {
    if (restOf(segment) >= FRAME_COST_MIN) return;
    this.#open = this.#open.filter((open) => open !== segment);
    this.#book("tails", restOf(segment));
    segment.material.erase();
    this.#exhausted.push(segment.name); // told behind its last frame, which is not sent yet
    this.#bell.ring();
  }

  #burn(which: (segment: OpenSegment) => boolean, why: string): void {
    for (const segment of this.#open.filter(which)) {
      this.#book("burned", restOf(segment));
      segment.material.erase();
      this.#parts.log.warn("open segment burned", { segment: segment.name, bytes: restOf(segment), why });
      this.#open = this.#open.filter((open) => open !== segment);
    }
  }

  #book(to: "tails" | "burned", bytes: number): void {
    const { ledger, vault } = this.#parts.stock;
    vault.ledger.move({ owner: ledger, from: "open", to, bytes });
  }
}

const restOf = (segment: OpenSegment): number => segment.lengthBytes - segment.cursor;
