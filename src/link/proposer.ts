/** The leader's side of agreement: picks keys that both ends have, proposes segments, takes the answers. */
import { bytesOfHex, hexOfBytes } from "../model/byte-layout.ts";
import { segmentName, type QkdKeyId, type SegmentName } from "../model/ids.ts";
import { idsOf } from "../model/qkd-key-runs.ts";
import type { Agreement, Disagreement, Inventory } from "../peer/peer-messages.ts";
import type { MonotonicMs } from "../runtime/clock.ts";
import { SEGMENT_BYTES_MIN, type LinkParts } from "./link-parts.ts";
import type { SegmentRecord } from "./link-records.ts";
import { encodeManifest, type LinkEnd } from "./manifest.ts";
import { idRunsOf, keyRunsOf, keysOf, type QuarantinedKey } from "./quarantine.ts";
import { answerTag, proposalTag, SEGMENT_BYTES_MAX, SEGMENT_HEADER_BYTES } from "./segment-tags.ts";

/** What a follower's quarantine may hold, and more. */
const PEER_IDS_MAX = 262_144;
/** One manifest names at most this many keys. */
const KEYS_MAX = 4_096;
/** Longer than a follower may wait for keys that its module has not given yet. */
const ANSWER_OVERDUE_MS = 15_000;
/** Neither direction gets less than this share of new segments, whatever the demand. */
const SHARE_MIN = 0.1;

export class Proposer {
  readonly #parts: LinkParts;
  readonly #demandShare: () => number;
  readonly #onStock: () => void;
  /** What the follower says that it has, and since when we know. */
  readonly #peerIds = new Map<QkdKeyId, MonotonicMs>();
  /** The answer that each proposal under way has to bring, and when it was last sent. */
  readonly #expected = new Map<SegmentName, { readonly answer: string; sentAt: MonotonicMs }>();
  /** Keys that a manifest has named before: payload for ever, never a header again. A restart burns them. */
  readonly #named = new Set<QkdKeyId>();
  #number = 0;

  /** @param demandShare  which part of the link's pad demand is ours, 0 to 1 */
  constructor(parts: LinkParts, demandShare: () => number, onStock: () => void) {
    this.#parts = parts;
    this.#demandShare = demandShare;
    this.#onStock = onStock;
  }

  peerHas(id: QkdKeyId): boolean {
    return this.#peerIds.has(id);
  }

  inventory(message: Inventory): void {
    const now = this.#parts.clock.monotonic();
    for (const id of idsOf(message.runs)) {
      if (this.#peerIds.size >= PEER_IDS_MAX) return;
      this.#peerIds.set(id, now);
    }
  }

  /** Forgets ids that our module never gave: the follower discards them as well. */
  forgetOldIds(): void {
    const { clock, limits, stock } = this.#parts;
    const oldest = clock.monotonic() - 3 * limits.unmatchedAgeMaxMs;
    for (const [id, since] of this.#peerIds) {
      if (since > oldest) return;
      if (stock.quarantine.get(id) === undefined) this.#peerIds.delete(id);
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

  /** Proposes one segment if there is enough. @returns whether it did */
  async propose(): Promise<boolean> {
    const { stock, limits, clock, link } = this.#parts;
    if (this.#expected.size >= limits.proposalsInFlightMax) return false;
    const keys = this.#pick();
    if (keys === undefined) return false;
    using material = await stock.readKeysOrBurn(keys);
    if (material === undefined) return true;
    const segment = segmentName(stock.vault.epoch, ++this.#number);
    const owner = this.#chooseOwner();
    const expiresAt = Math.floor(clock.wall() + limits.keyLifetimeMs);
    const lengthBytes = material.lengthBytes;
    const manifest = encodeManifest({ link, segment, owner, lengthBytes, expiresAt, runs: idRunsOf(keyRunsOf(keys)) });
    const [tag, answer] = material.expose((bytes) => [proposalTag(bytes, manifest), answerTag(bytes, manifest)]);
    this.#expect(segment, answer);
    const transaction = stock.vault.transaction();
    const chunks = await stock.takeKeys(transaction, keys);
    const texts = { manifest: hexOfBytes(manifest), tag: hexOfBytes(tag) };
    stock.putSegment(transaction, segment, { phase: "proposed", owner, lengthBytes, expiresAt, chunks, ...texts });
    await stock.vault.commit(transaction); // from here on these bytes are this proposal's, also after a crash
    this.#parts.send({ kind: "proposal", segment, manifest, tag });
    return true;
  }

  async agreed({ segment, tag }: Agreement): Promise<void> {
    const { stock, metrics, link } = this.#parts;
    const record = stock.segment(segment);
    if (record?.phase !== "proposed") return void this.#expected.delete(segment); // an opening came first, or it is gone
    if (this.#expected.get(segment)?.answer !== hexOfBytes(tag)) {
      metrics.tagFailures.add({ link });
      return this.disagreed({ kind: "disagreement", segment, reason: "mismatch", missing: [] });
    }
    this.#expected.delete(segment);
    this.#forgetPeerIds(record);
    const transaction = stock.vault.transaction();
    stock.putSegment(transaction, segment, agreedRecord(record, hexOfBytes(tag)));
    await stock.vault.commit(transaction);
    metrics.segments.add({ link, result: "agreed" });
    this.#onStock();
  }

  async disagreed({ segment, reason, missing }: Disagreement): Promise<void> {
    const { stock, metrics, link, log, troubles } = this.#parts;
    const record = stock.segment(segment);
    this.#expected.delete(segment);
    if (record === undefined) return;
    const transaction = stock.vault.transaction();
    if (record.phase === "proposed" && reason === "missing") {
      const burned = new Set<QkdKeyId>([...headerKeys(record), ...missing]);
      stock.forgetSegment(transaction, segment);
      await stock.returnKeys(transaction, record, burned);
      for (const id of this.#named) if (stock.quarantine.get(id) === undefined) this.#named.delete(id);
      for (const chunk of record.chunks) for (const { id } of keysOf(chunk)) this.#named.add(id);
      for (const id of burned) this.#peerIds.delete(id);
    } else {
      stock.destroySegment(transaction, segment, reason === "mismatch" ? "discarded" : "burned");
      this.#forgetPeerIds(record);
    }
    await stock.vault.commit(transaction);
    metrics.segments.add({ link, result: reason });
    log.warn("segment not agreed", { segment, reason, missing: missing.length });
    if (reason === "mismatch") troubles.happened(`the ends hold different bits in segment ${segment}: discarded`);
  }

  /** Keys that both ends have, when they fill a segment or have waited long enough. Those for the header come first. */
  #pick(): QuarantinedKey[] | undefined {
    const { stock, limits, clock } = this.#parts;
    const header: QuarantinedKey[] = [];
    const payload: QuarantinedKey[] = [];
    let headerBytes = 0;
    let bytes = 0;
    let full = false;
    let alone: QuarantinedKey | undefined; // a long key that fits behind no header but its own
    for (const key of stock.quarantine.keys()) {
      if (!this.#peerIds.has(key.id)) continue;
      if (header.length + payload.length >= KEYS_MAX) break;
      full = bytes > 0 && bytes + key.lengthBytes > limits.segmentBytes;
      if (full && headerBytes >= SEGMENT_HEADER_BYTES && bytes >= SEGMENT_BYTES_MIN) break;
      if (headerBytes < SEGMENT_HEADER_BYTES && !this.#named.has(key.id)) {
        header.push(key);
        headerBytes += key.lengthBytes;
      } else if (!full) payload.push(key);
      else {
        if (!this.#named.has(key.id)) alone ??= key;
        continue;
      }
      bytes += key.lengthBytes;
    }
    while (bytes > SEGMENT_BYTES_MAX && payload.length > 0) bytes -= payload.pop()!.lengthBytes;
    const picked = [...header, ...payload];
    if (bytes < SEGMENT_BYTES_MIN && alone !== undefined) return [alone];
    const oldest = payload[0] ?? header[0];
    if (oldest === undefined || headerBytes < SEGMENT_HEADER_BYTES) return undefined;
    if (bytes < SEGMENT_BYTES_MIN || bytes > SEGMENT_BYTES_MAX) return undefined;
    const old = clock.wall() - oldest.chunk.receivedAt >= limits.segmentAgeMaxMs;
    return full || bytes >= limits.segmentBytes || old ? picked : undefined;
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
    for (const chunk of record.chunks) {
      for (const { id } of keysOf(chunk)) {
        this.#peerIds.delete(id);
        this.#named.delete(id);
      }
    }
  }
}

/** An agreed segment keeps what an opening needs, and the tag; which keys it was made of matters no more. */
export function agreedRecord(record: SegmentRecord, tag: string): SegmentRecord {
  const chunks = record.chunks.map((chunk) => ({ ...chunk, keys: [] }));
  return { ...record, phase: "agreed", chunks, manifest: "", tag };
}

/** The keys that the first 96 bytes come from: they have been under a tag, so nothing else may be. */
function headerKeys(record: SegmentRecord): QkdKeyId[] {
  const ids: QkdKeyId[] = [];
  let bytes = 0;
  for (const chunk of record.chunks) {
    for (const key of keysOf(chunk)) {
      if (bytes >= SEGMENT_HEADER_BYTES) return ids;
      ids.push(key.id);
      bytes += key.lengthBytes;
    }
  }
  return ids;
}
