/** The leader's side of agreement: picks keys that both ends have, proposes segments, takes the answers. */
import { bytesOfHex, hexOfBytes } from "../model/byte-layout.ts";
import { IdRanges } from "../model/id-ranges.ts";
import { segmentName, type SegmentName } from "../model/ids.ts";
import type { KeyMaterial } from "../model/key-material.ts";
import { joinedRuns, type QkdKeyRun } from "../model/qkd-key-runs.ts";
import { SECOND_MS } from "../model/units.ts";
import type { Agreement, Disagreement, Inventory, Proposal } from "../peer/peer-messages.ts";
import type { MonotonicMs } from "../runtime/clock.ts";
import type { Transaction } from "../store/transaction.ts";
import type { LinkParts } from "./link-parts.ts";
import type { ChunkRecord, SegmentRecord } from "./link-records.ts";
import { encodeManifest, type LinkEnd } from "./manifest.ts";
import { isPlausible } from "./plausible-name.ts";
import { forgeryBound } from "./one-time-tag.ts";
import { partAt, spansOf, type KeySpan } from "./quarantine.ts";
import { SegmentPick } from "./segment-pick.ts";
import { answerTag, proposalTag, SEGMENT_BYTES_MAX, SEGMENT_HEADER_BYTES } from "./segment-tags.ts";

/** Runs of keys that a follower may say it has, in pieces: each a line of memory. */
const PEER_RANGES_MAX = 65_536;
/** Longer than a follower may wait for keys that its module has not given yet. */
const ANSWER_OVERDUE_MS = 15_000;
/** Neither direction gets less than this share of new segments, whatever the demand. */
const SHARE_MIN = 0.1;

export class Proposer {
  readonly #parts: LinkParts;
  readonly #demandShare: () => number;
  readonly #onStock: () => void;
  /** What the follower says that it has, and since when we know: in whole seconds, so that runs stay whole. */
  readonly #peerIds = new IdRanges<number>();
  /** The answer that each proposal under way has to bring, and when it was last sent. */
  readonly #expected = new Map<SegmentName, { readonly answer: string; sentAt: MonotonicMs }>();
  /** Keys that a manifest has named before: payload for ever, never a header again. A restart burns them. */
  readonly #named = new IdRanges<true>();
  #number = 0;

  /** @param demandShare  which part of the link's pad demand is ours, 0 to 1 */
  constructor(parts: LinkParts, demandShare: () => number, onStock: () => void) {
    this.#parts = parts;
    this.#demandShare = demandShare;
    this.#onStock = onStock;
  }

  get peerIds(): IdRanges<unknown> {
    return this.#peerIds;
  }

  inventory(message: Inventory): void {
    const since = this.#seconds();
    for (const run of message.runs) {
      if (this.#peerIds.rangeCount >= PEER_RANGES_MAX) return;
      this.#peerIds.add(run, since);
    }
  }

  /** Forgets ids that our module never gave: the follower discards them as well. */
  forgetOldIds(): void {
    const { limits, stock } = this.#parts;
    const oldest = this.#seconds() - (3 * limits.unmatchedAgeMaxMs) / SECOND_MS;
    for (const known of [...this.#peerIds.entries()]) {
      if (known.value <= oldest) for (const gap of stock.quarantine.gaps(known)) this.#peerIds.remove(gap);
    }
  }

  /** Repeats, byte for byte, what is durable and unanswered. */
  async sessionUp(): Promise<void> {
    const { stock } = this.#parts;
    for (const [segment, record] of stock.segments()) {
      if (record.phase !== "proposed") continue;
      using material = await stock.readSegment(record);
      if (material === undefined) {
        await this.disagreed({ kind: "disagreement", segment, reason: "stale", missing: [] });
        continue;
      }
      const manifest = bytesOfHex(record.manifest);
      this.#expect(
        segment,
        material.expose((bytes) => answerTag(bytes, manifest)),
      );
      this.#send(segment, record);
    }
  }

  /** Sends proposals again, byte for byte, whose answers are overdue: the line was full, there or back. */
  repeat(): void {
    const now = this.#parts.clock.monotonic();
    for (const [segment, expected] of this.#expected) {
      const settled = this.#parts.stock.segment(segment)?.phase !== "proposed"; // by an opening, or burned
      if (settled) this.#expected.delete(segment);
      if (settled || now - expected.sentAt < ANSWER_OVERDUE_MS) continue;
      expected.sentAt = now;
      this.#send(segment, this.#parts.stock.segment(segment)!);
    }
  }

  sessionDown(): void {
    this.#peerIds.clear();
    this.#expected.clear();
  }

  /**
   * Proposes as many segments as there is enough for in memory, made durable together; else one that is read from the disk.
   * Between the first change in memory and the commit nothing is awaited: no other room writes of these segments first.
   *
   * @returns whether it did anything
   */
  async propose(): Promise<boolean> {
    const { stock, limits, guards } = this.#parts;
    if (guards.agreement.out !== undefined) return false;
    if (!this.#isBelieved()) return false;
    const transaction = stock.vault.transaction();
    const proposals: Proposal[] = [];
    while (this.#expected.size < limits.proposalsInFlightMax) {
      const keys = this.#pick();
      if (keys === undefined) break;
      using material = stock.readyKeys(keys);
      if (material === undefined) {
        if (proposals.length === 0) return await this.#proposeFromDisk(keys);
        break;
      }
      proposals.push(this.#prepare(transaction, keys, material, stock.takeWhole(transaction, keys)));
    }
    if (proposals.length > 0) await this.#say(transaction, proposals);
    return proposals.length > 0;
  }

  /** A name of ours that the follower finds implausible is refused, and its key burned: one of the wall clocks is wrong. */
  #isBelieved(): boolean {
    const { stock, clock, skewMs } = this.#parts;
    const name = segmentName(stock.vault.epoch, this.#number);
    return isPlausible(name, clock) && isPlausible(name, { wall: () => clock.wall() + skewMs() });
  }

  async #proposeFromDisk(keys: readonly KeySpan[]): Promise<true> {
    const { stock } = this.#parts;
    using material = await stock.readKeysOrBurn(keys);
    if (material === undefined) return true;
    const transaction = stock.vault.transaction();
    const chunks = await stock.takeKeys(transaction, keys);
    if (chunks === undefined) return true;
    await this.#say(transaction, [this.#prepare(transaction, keys, material, chunks)]);
    return true;
  }

  #prepare(
    transaction: Transaction,
    keys: readonly KeySpan[],
    material: KeyMaterial,
    chunks: readonly ChunkRecord[],
  ): Proposal {
    const { stock, limits, clock, link } = this.#parts;
    const segment = segmentName(stock.vault.epoch, ++this.#number);
    const owner = this.#chooseOwner();
    const expiresAt = Math.floor(clock.wall() + limits.keyLifetimeMs);
    const lengthBytes = material.lengthBytes;
    const manifest = encodeManifest({ link, segment, owner, lengthBytes, expiresAt, runs: joinedRuns(keys) });
    const [tag, answer] = material.expose((bytes) => [proposalTag(bytes, manifest), answerTag(bytes, manifest)]);
    this.#expect(segment, answer);
    const texts = { manifest: hexOfBytes(manifest), tag: hexOfBytes(tag) };
    stock.putSegment(transaction, segment, { phase: "proposed", owner, lengthBytes, expiresAt, chunks, ...texts });
    return { kind: "proposal", segment, manifest, tag };
  }

  async #say(transaction: Transaction, proposals: readonly Proposal[]): Promise<void> {
    await this.#parts.stock.vault.commit(transaction); // from here on these bytes are their proposals', also after a crash
    for (const proposal of proposals) this.#parts.send(proposal);
  }

  /** Takes positive answers, made durable together; one whose tag is wrong is a negative one. */
  async agreed(answers: readonly Agreement[]): Promise<void> {
    const { stock, metrics, link, guards } = this.#parts;
    let transaction = stock.vault.transaction();
    for (const { segment, tag } of answers) {
      const record = stock.segment(segment);
      const expected = this.#expected.get(segment)?.answer;
      metrics.epsilon.add({ link }, forgeryBound(SEGMENT_BYTES_MAX)); // more than any manifest has
      if (record?.phase !== "proposed")
        this.#expected.delete(segment); // an opening came first, or it is gone
      else if (expected === hexOfBytes(tag)) {
        this.#expected.delete(segment);
        this.#forgetPeerIds(record);
        stock.putSegment(transaction, segment, agreedRecord(record, hexOfBytes(tag)));
        metrics.segments.add({ link, result: "agreed" });
        guards.agreement.good();
      } else {
        metrics.tagFailures.add({ link });
        await this.#commit(transaction);
        transaction = stock.vault.transaction();
        await this.disagreed({ kind: "disagreement", segment, reason: "mismatch", missing: [] });
      }
    }
    await this.#commit(transaction);
  }

  async #commit(transaction: Transaction): Promise<void> {
    if (transaction.operations.length === 0) return;
    await this.#parts.stock.vault.commit(transaction);
    this.#onStock();
  }

  async disagreed({ segment, reason, missing }: Disagreement): Promise<void> {
    const { stock, metrics, link, log } = this.#parts;
    const record = stock.segment(segment);
    this.#expected.delete(segment);
    if (record === undefined) return;
    const transaction = stock.vault.transaction();
    if (record.phase === "proposed" && reason === "missing") {
      const burned = new IdRanges<true>();
      for (const run of headerRuns(record)) burned.add(run, true);
      for (const first of missing) burned.add({ first, count: 1 }, true);
      stock.forgetSegment(transaction, segment);
      await stock.returnKeys(transaction, record, burned);
      for (const named of [...this.#named.entries()]) {
        for (const gap of stock.quarantine.gaps(named)) this.#named.remove(gap);
      }
      for (const { keys } of record.chunks) for (const run of keys) this.#named.add(run, true);
      for (const run of burned.entries()) this.#peerIds.remove(run);
    } else {
      stock.destroySegment(transaction, segment, reason === "mismatch" ? "discarded" : "burned");
      this.#forgetPeerIds(record);
    }
    await stock.vault.commit(transaction);
    metrics.segments.add({ link, result: reason });
    log.warn("segment not agreed", { segment, reason, missing: missing.length });
    if (reason === "mismatch") endsDiffer(this.#parts, segment);
  }

  /** Keys that both ends have, when they fill a segment or have waited long enough. */
  #pick(): readonly KeySpan[] | undefined {
    const { stock, limits, clock } = this.#parts;
    const pick = new SegmentPick(limits.segmentBytes, this.#named);
    let oldest: number | undefined;
    walk: for (const chunk of stock.quarantine.chunks()) {
      for (const span of spansOf(chunk)) {
        for (const known of this.#peerIds.parts(span)) {
          oldest ??= chunk.receivedAt;
          if (!pick.take(partAt(span, known))) break walk;
        }
      }
    }
    const picked = pick.picked();
    const old = oldest !== undefined && clock.wall() - oldest >= limits.segmentAgeMaxMs;
    return picked?.full === true || old ? picked?.keys : undefined;
  }

  /** The direction that has less stock for its share of the demand. Equal shares make them alternate. */
  #chooseOwner(): LinkEnd {
    const share = Math.min(1 - SHARE_MIN, Math.max(SHARE_MIN, this.#demandShare()));
    const ours = this.#parts.stock.heldBytes("leader") / share;
    const theirs = this.#parts.stock.heldBytes("follower") / (1 - share);
    return ours <= theirs ? "leader" : "follower";
  }

  #expect(segment: SegmentName, answer: Uint8Array): void {
    this.#expected.set(segment, { answer: hexOfBytes(answer), sentAt: this.#parts.clock.monotonic() });
  }

  #send(segment: SegmentName, { manifest, tag }: SegmentRecord): void {
    this.#parts.send({ kind: "proposal", segment, manifest: bytesOfHex(manifest), tag: bytesOfHex(tag) });
  }

  #forgetPeerIds(record: SegmentRecord): void {
    for (const { keys } of record.chunks) {
      for (const run of keys) {
        this.#peerIds.remove(run);
        this.#named.remove(run);
      }
    }
  }

  #seconds(): number {
    return Math.floor(this.#parts.clock.monotonic() / SECOND_MS);
  }
}

/** Told at both ends, and counted for taking the agreement out of service (DESIGN 5, step 4). */
export function endsDiffer({ troubles, guards, log }: LinkParts, segment: SegmentName): void {
  troubles.happened(`the ends hold different bits in segment ${segment}: discarded`);
  if (guards.agreement.failed("the ends hold different bits")) {
    log.error("no more key is agreed on: the ends hold different bits", { reason: guards.agreement.out!.reason });
  }
}

/** An agreed segment keeps what an opening needs, and the tag; which keys it was made of matters no more. */
export function agreedRecord(record: SegmentRecord, tag: string): SegmentRecord {
  const chunks = record.chunks.map((chunk) => ({ ...chunk, keys: [] }));
  return { ...record, phase: "agreed", chunks, manifest: "", tag };
}

/** The keys that the first 96 bytes come from: they have been under a tag, so nothing else may be. */
function headerRuns(record: SegmentRecord): QkdKeyRun[] {
  const runs: QkdKeyRun[] = [];
  let bytes = 0;
  for (const { first, count, keyBytes } of record.chunks.flatMap(({ keys }) => keys)) {
    if (bytes >= SEGMENT_HEADER_BYTES) return runs;
    const taken = Math.min(count, Math.ceil((SEGMENT_HEADER_BYTES - bytes) / keyBytes));
    runs.push({ first, count: taken });
    bytes += taken * keyBytes;
  }
  return runs;
}
