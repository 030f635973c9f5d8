/**
 * The owner's side of pads: opens segments of our direction ahead of need, and spends them strictly forward.
 *
 * An opened segment is never resumed. Its order of steps: read into memory; durably gone from the stock, with `openedUpTo`
 * at its name; data keys destroyed; then told to the neighbour; used only after the neighbour said that it witnessed that.
 */
import type { SegmentName } from "../model/ids.ts";
import type { KeyMaterial } from "../model/key-material.ts";
import type { SegmentClosing, SegmentOpening, SegmentWitnessed } from "../peer/peer-messages.ts";
import { Bell } from "../runtime/bell.ts";
import type { MonotonicMs } from "../runtime/clock.ts";
import { layFrame } from "./hop-frame.ts";
import type { LinkParts } from "./link-parts.ts";
import { makeMark } from "./mark.ts";
import { oneTimeTag, TAG_PAD_BYTES } from "./one-time-tag.ts";
import { framesHashKey, openingTag, SEGMENT_HEADER_BYTES, witnessedVerifies } from "./segment-tags.ts";
import { SKEW_ALLOWED_MS } from "./sweep.ts";

/** A rest of a segment shorter than this is not worth a frame. */
const FRAME_PAYLOAD_BYTES_MIN = 16;
const FRAME_COST_MIN = FRAME_PAYLOAD_BYTES_MIN + TAG_PAD_BYTES;
const WITNESS_REPEAT_MS = 1_000;
const WITNESS_WAIT_MAX_MS = 15_000;

/** Slow links make small segments: more of them are opened, so that a relay of some kilobytes finds its pad. */
const OPEN_BYTES_MIN = 16_384;
const SMALL_SEGMENTS_OPEN_MAX = 12;

interface OpenSegment {
  readonly name: SegmentName;
  readonly material: KeyMaterial;
  readonly lengthBytes: number;
  readonly openedAt: MonotonicMs;
  witnessed: boolean;
  cursor: number;
}

export class OutboundPads {
  readonly #parts: LinkParts;
  readonly #onPads: () => void;
  readonly #bell = new Bell();
  /** In the order of opening, which is the order of use. */
  #open: OpenSegment[] = [];
  readonly #exhausted: SegmentName[] = [];
  #opening: SegmentName | undefined;
  #up = false;
  #spentBytes = 0;

  /** @param onPads  called when more pad may be used */
  constructor(parts: LinkParts, onPads: () => void) {
    this.#parts = parts;
    this.#onPads = onPads;
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

  /** With the one that is being opened just now: the neighbour must keep its copy. */
  get openNames(): readonly SegmentName[] {
    return [...this.#open.map(({ name }) => name), ...(this.#opening === undefined ? [] : [this.#opening])];
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
    const segment = this.#open[0];
    if (!this.#up || segment?.witnessed !== true) return undefined;
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
      if (this.#up && this.#wantsMore() && (await this.#openNext())) continue;
      this.#repeatOpenings();
      const cancel = this.#parts.clock.after(WITNESS_REPEAT_MS, () => this.#bell.ring());
      await this.#bell.heard(signal);
      cancel();
    }
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

  #wantsMore(): boolean {
    const { openAhead } = this.#parts.limits;
    if (this.#open.length < openAhead) return true;
    return this.#open.length < SMALL_SEGMENTS_OPEN_MAX && this.openBytes < OPEN_BYTES_MIN;
  }

  stockChanged(): void {
    this.#bell.ring();
  }

  /** @param peerIsNew  the neighbour's process started anew: what it had witnessed is gone from its memory */
  sessionUp(peerIsNew: boolean): void {
    if (peerIsNew) this.#burn(() => true, "the neighbour started anew");
    this.#up = true;
    this.#exhausted.length = 0; // the hello listed what is open: all else is closed there already
    for (const segment of this.#open) if (!segment.witnessed) this.#sendOpening(segment);
    this.#bell.ring();
  }

  sessionDown(): void {
    this.#up = false;
  }

  witnessed({ segment: name, tag }: SegmentWitnessed): void {
    const { link, metrics, log } = this.#parts;
    const segment = this.#open.find((open) => open.name === name);
    if (segment === undefined || segment.witnessed) return;
    if (!segment.material.expose((bytes) => witnessedVerifies(bytes, { link, segment: name }, tag))) {
      metrics.tagFailures.add({ link });
      log.warn("witness tag wrong", { segment: name });
      return;
    }
    segment.witnessed = true;
    metrics.openings.add({ link, role: "owner" });
    this.#onPads();
  }

  closed({ segment: name, reason }: SegmentClosing): void {
    this.#burn((segment) => segment.name === name, `the neighbour closed it: ${reason}`);
    this.#bell.ring();
  }

  /** @returns false when there is nothing to open */
  async #openNext(): Promise<boolean> {
    const { stock, selfEnd, clock, log } = this.#parts;
    const next = stock.nextToOpen(selfEnd);
    if (next === undefined) return false;
    const [name, record] = next;
    const transaction = stock.vault.transaction();
    const tooLate = name <= stock.state.openedUpTo; // agreed after a later one was opened: the witness would refuse it
    if (tooLate || clock.wall() > record.expiresAt - SKEW_ALLOWED_MS) {
      stock.destroySegment(transaction, name, tooLate ? "burned" : "expired");
      await stock.vault.commit(transaction);
      return true;
    }
    const material = await stock.readSegment(record);
    if (stock.segment(name) !== record) {
      material?.erase(); // withdrawn while it was read
      return true;
    }
    if (material === undefined) {
      stock.destroySegment(transaction, name, "burned");
      log.error("a segment could not be read back from the store: burned", { segment: name });
    } else {
      stock.destroySegment(transaction, name, "open");
      transaction.move({ owner: stock.ledger, from: "open", to: "tags", bytes: SEGMENT_HEADER_BYTES });
      stock.setState(transaction, { openedUpTo: name });
    }
    this.#opening = name;
    await stock.vault.commit(transaction); // erased from disk; from here on it lives in memory alone
    this.#opening = undefined;
    if (material === undefined) return true;
    const { lengthBytes } = record;
    const openedAt = clock.monotonic();
    const segment = { name, material, lengthBytes, openedAt, witnessed: false, cursor: SEGMENT_HEADER_BYTES };
    this.#open.push(segment);
    if (this.#up) this.#sendOpening(segment);
    return true;
  }

  #sendOpening({ name, material }: OpenSegment): void {
    const { link, stock } = this.#parts;
    const tag = material.expose((bytes) => openingTag(bytes, { link, segment: name }));
    const opening: SegmentOpening = { kind: "segment-opening", segment: name, tag, mark: makeMark(stock.vault) };
    this.#parts.send(opening);
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
      if (!segment.witnessed && now - segment.openedAt >= WITNESS_REPEAT_MS) this.#sendOpening(segment);
    }
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
