/**
 * What this end of a link holds: QKD-keys in quarantine, segments proposed and agreed, and how far openings went.
 *
 * In memory and on disk alike: every change is made here, as part of a transaction that the caller commits. Memory changes
 * at once and the disk with the commit; whoever tells the neighbour waits for the commit first.
 */
import { assert } from "../model/assert.ts";
import { isQkdError } from "../model/errors.ts";
import { IdRanges } from "../model/id-ranges.ts";
import { NO_SEGMENT, type LinkId, type SegmentName } from "../model/ids.ts";
import { KeyMaterial } from "../model/key-material.ts";
import type { QkdKeyRun, QkdKeyRunOfLength } from "../model/qkd-key-runs.ts";
import type { WallMs } from "../runtime/clock.ts";
import type { KeyVault } from "../store/key-vault.ts";
import type { Account } from "../store/ledger.ts";
import type { RecordValue } from "../store/store-record.ts";
import type { Transaction } from "../store/transaction.ts";
import type { ChunkCut } from "./chunk-borders.ts";
import {
  FRESH_LINK_STATE,
  linkLedger,
  quarantinePrefix,
  segmentPrefix,
  stateName,
  type ChunkRecord,
  type LinkStateRecord,
  type SegmentRecord,
} from "./link-records.ts";
import type { LinkEnd } from "./manifest.ts";
import {
  bytesIn,
  groupsByChunk,
  isWhole,
  keyRunsOf,
  partAt,
  placesOf,
  Quarantine,
  restOf,
  spansOf,
  type KeySpan,
} from "./quarantine.ts";
import { ReadyChunks } from "./ready-chunks.ts";

export class LinkStock {
  readonly link: LinkId;
  readonly vault: KeyVault;
  readonly ledger: string;
  readonly quarantine = new Quarantine();
  readonly #ready = new ReadyChunks();
  /** QKD-keys of proposals under way. */
  readonly #proposed = new IdRanges<SegmentName>();
  /** In the order of names, which is the order in which they come and may be opened. */
  readonly #segments = new Map<SegmentName, SegmentRecord>();
  readonly #heldBytes = { leader: 0, follower: 0 };
  #newest: SegmentName = NO_SEGMENT;
  #state: LinkStateRecord = FRESH_LINK_STATE;

  constructor(link: LinkId, vault: KeyVault) {
    this.link = link;
    this.vault = vault;
    this.ledger = linkLedger(link);
  }

  get state(): LinkStateRecord {
    return this.#state;
  }

  /** Erases what is in memory. */
  close(): void {
    this.#ready.clear();
  }

  segment(name: SegmentName): SegmentRecord | undefined {
    return this.#segments.get(name);
  }

  /** A snapshot, in the order of names. */
  segments(): readonly (readonly [SegmentName, SegmentRecord])[] {
    return [...this.#segments];
  }

  /** The agreed segments of an owner, in the order in which they may be opened. */
  *toOpen(owner: LinkEnd): Generator<readonly [SegmentName, SegmentRecord]> {
    for (const entry of this.#segments) if (entry[1].phase === "agreed" && entry[1].owner === owner) yield entry;
  }

  /** An owner's segments whose names come before this one. */
  *before(name: SegmentName, owner: LinkEnd): Generator<SegmentName> {
    for (const [earlier, record] of this.#segments) {
      if (earlier >= name) return;
      if (record.owner === owner) yield earlier;
    }
  }

  /** Proposed or agreed, and unopened, in bytes. */
  heldBytes(owner: LinkEnd): number {
    return this.#heldBytes[owner];
  }

  isFull(bytesMax: number): boolean {
    return this.#heldBytes.leader + this.#heldBytes.follower > bytesMax;
  }

  /** Those of some keys that are neither in quarantine nor in a proposal under way. */
  unknown(run: QkdKeyRunOfLength): readonly QkdKeyRun[] {
    const known = new IdRanges<true>();
    for (const span of this.quarantine.find(run)) known.add(span, true);
    for (const part of this.#proposed.parts(run)) known.add(part, true);
    return known.gaps(run);
  }

  /** The neighbour has another store: no name of the old one counts any more. All segments must be gone. */
  forgetNames(transaction: Transaction): void {
    assert(this.#segments.size === 0, `${this.link} holds segments that were named with an earlier store`);
    this.#newest = NO_SEGMENT;
    this.setState(transaction, { decidedUpTo: NO_SEGMENT, openedUpTo: NO_SEGMENT, witnessedUpTo: NO_SEGMENT });
  }

  setState(transaction: Transaction, change: Partial<LinkStateRecord>): void {
    this.#state = { ...this.#state, ...change };
    transaction.put(stateName(this.link), this.#state as unknown as RecordValue);
  }

  /** Seals a part of `bytes` into quarantine. Call `admit` with the answer once the transaction is durable. */
  sealKeys(transaction: Transaction, bytes: Uint8Array, { runs, parts }: ChunkCut, receivedAt: WallMs): ChunkRecord {
    const views = parts.map(({ from, to }) => bytes.subarray(from, to));
    const sealed = transaction.seal(views);
    const record: ChunkRecord = { ...sealed, keys: keyRunsOf(runs), receivedAt };
    this.#ready.put(record.chunk, KeyMaterial.joined(views));
    this.#putChunk(transaction, record);
    transaction.move({ owner: this.ledger, from: "received", to: "quarantine", bytes: sealed.lengthBytes });
    return record;
  }

  admit(chunk: ChunkRecord): void {
    this.quarantine.add(chunk);
  }

  /**
   * Takes keys out of quarantine for a segment, without writing their bytes again where they are whole chunks. Where a chunk
   * is cut, its parts are sealed again: what is taken as one chunk, what is left as another, which can be read when the
   * transaction is durable. Nothing changes in memory before all of it is sealed. Undefined where the disk does not give
   * back whole what has to be cut: the chunks are burned, and the transaction is not to be committed.
   */
  async takeKeys(transaction: Transaction, keys: readonly KeySpan[]): Promise<ChunkRecord[] | undefined> {
    const taken: ChunkRecord[] = [];
    for (const { chunk, spans } of groupsByChunk(keys)) {
      const part = isWhole(chunk, spans) ? chunk : await this.#sealParts(transaction, spans);
      if (part === undefined) return this.#burn(keys);
      taken.push(part);
    }
    const rests = new Map<ChunkRecord, ChunkRecord | undefined>();
    for (const chunk of new Set(keys.map((key) => key.chunk))) {
      const cut = keys.filter((key) => key.chunk === chunk);
      const rest = restOf(chunk, cut);
      const sealed = await this.#sealParts(transaction, rest);
      if (rest.length > 0 && sealed === undefined) return this.#burn(keys);
      rests.set(chunk, sealed);
    }
    for (const [chunk, rest] of rests) {
      transaction.delete(quarantinePrefix(this.link) + chunk.chunk);
      this.#leave(chunk);
      if (!taken.includes(chunk)) transaction.destroy([chunk.chunk]);
      if (rest !== undefined) this.#enter(transaction, rest);
    }
    return taken;
  }

  /** The bytes of keys that are whole chunks and still in memory, at once; undefined where the disk has to be asked. */
  readyKeys(keys: readonly KeySpan[]): KeyMaterial | undefined {
    const groups = groupsByChunk(keys);
    const parts = groups.map(({ chunk, spans }) => (isWhole(chunk, spans) ? this.#ready.get(chunk.chunk) : undefined));
    if (!parts.every((part) => part !== undefined)) return undefined;
    return KeyMaterial.joined(parts.map((part) => part.expose((bytes) => bytes)));
  }

  /** As `takeKeys`, of keys that are whole chunks, at once. */
  takeWhole(transaction: Transaction, keys: readonly KeySpan[]): ChunkRecord[] {
    return groupsByChunk(keys).map(({ chunk, spans }) => {
      assert(isWhole(chunk, spans), `a part of chunk ${chunk.chunk} of ${this.link} was to be taken as the whole`);
      transaction.delete(quarantinePrefix(this.link) + chunk.chunk);
      this.#leave(chunk);
      return chunk;
    });
  }

  /** As `readKeys`; where the disk does not give them back whole, their chunks are burned and the answer is undefined. */
  async readKeysOrBurn(keys: readonly KeySpan[]): Promise<KeyMaterial | undefined> {
    return (await this.readKeys(keys).catch(unlessDamaged)) ?? this.#burn(keys);
  }

  /** The bytes of keys in quarantine, joined in the given order; the caller owns them. @throws QkdError STORE_DAMAGED */
  async readKeys(keys: readonly KeySpan[]): Promise<KeyMaterial> {
    const joined = KeyMaterial.allocate(bytesIn(keys));
    let at = 0;
    const copy = (chunk: KeyMaterial, spans: readonly KeySpan[]): void =>
      chunk.expose((bytes) => {
        for (const { from, to } of placesOf(spans)) {
          joined.expose((whole) => whole.set(bytes.subarray(from, to), at));
          at += to - from;
        }
      });
    for (const { chunk, spans } of groupsByChunk(keys)) {
      const ready = this.#ready.get(chunk.chunk);
      if (ready !== undefined) copy(ready, spans);
      else {
        using read = await this.vault.read(chunk).catch((failure: unknown) => {
          joined.erase();
          throw failure;
        });
        copy(read, spans);
      }
    }
    return joined;
  }

  /** Puts a segment's keys back into quarantine, except `burned` ones, which are destroyed. */
  async returnKeys(transaction: Transaction, record: SegmentRecord, burned: IdRanges<unknown>): Promise<void> {
    for (const chunk of record.chunks) {
      const doomed = spansOf(chunk).flatMap((span) => [...burned.parts(span)].map((part) => partAt(span, part)));
      if (doomed.length === 0) this.#enter(transaction, chunk);
      else {
        const kept = await this.#sealParts(transaction, restOf(chunk, doomed));
        if (kept !== undefined) this.#enter(transaction, kept);
        transaction.destroy([chunk.chunk]);
        this.#moveBytes(transaction, "quarantine", "burned", chunk.lengthBytes - (kept?.lengthBytes ?? 0));
      }
    }
  }

  /** Destroys keys that lie in quarantine. Where the disk does not give back the rest of their chunks, that is burned. */
  async discardKeys(transaction: Transaction, keys: readonly KeySpan[], to: Account): Promise<void> {
    const cuts: { readonly chunk: ChunkRecord; readonly bytes: number; readonly kept: ChunkRecord | undefined }[] = [];
    for (const chunk of new Set(keys.map((key) => key.chunk))) {
      const doomed = keys.filter((key) => key.chunk === chunk);
      const kept = await this.#sealParts(transaction, restOf(chunk, doomed));
      cuts.push({ chunk, bytes: bytesIn(doomed), kept });
    }
    for (const { chunk, bytes, kept } of cuts) {
      transaction.delete(quarantinePrefix(this.link) + chunk.chunk).destroy([chunk.chunk]);
      this.#leave(chunk);
      this.#moveBytes(transaction, "quarantine", to, bytes);
      this.#moveBytes(transaction, "quarantine", "burned", chunk.lengthBytes - bytes - (kept?.lengthBytes ?? 0));
      if (kept !== undefined) this.#enter(transaction, kept);
    }
  }

  putSegment(transaction: Transaction, name: SegmentName, record: SegmentRecord): void {
    const before = this.#segments.get(name);
    if (before !== undefined) this.#unpropose(before);
    this.#hold(name, record);
    transaction.put(segmentPrefix(this.link) + name, record as unknown as RecordValue);
    if (record.phase === "agreed" && before?.phase !== "agreed") {
      this.#moveBytes(transaction, "quarantine", "stock", record.lengthBytes);
    }
  }

  /** The segment is no more: its chunks are destroyed with this transaction, its bytes go to `to`. */
  destroySegment(transaction: Transaction, name: SegmentName, to: Account): void {
    const record = this.forgetSegment(transaction, name);
    transaction.destroy(record.chunks.map(({ chunk }) => chunk));
    this.#moveBytes(transaction, record.phase === "agreed" ? "stock" : "quarantine", to, record.lengthBytes);
  }

  /** Drops the record only; the caller decides about the chunks. */
  forgetSegment(transaction: Transaction, name: SegmentName): SegmentRecord {
    const record = this.#segments.get(name);
    assert(record !== undefined, `segment ${name} of ${this.link} is not held`);
    this.#segments.delete(name);
    this.#unpropose(record);
    this.#heldBytes[record.owner] -= record.lengthBytes;
    transaction.delete(segmentPrefix(this.link) + name);
    return record;
  }

  /** The segment's bytes, joined in the agreed order; the caller owns them. Undefined where the disk lost some. */
  async readSegment({ chunks, lengthBytes }: SegmentRecord): Promise<KeyMaterial | undefined> {
    const joined = KeyMaterial.allocate(lengthBytes);
    let at = 0;
    try {
      for (const chunk of chunks) {
        using part = await this.vault.read(chunk);
        const from = at;
        part.expose((bytes) => joined.expose((whole) => whole.set(bytes, from)));
        at += chunk.lengthBytes;
      }
    } catch (failure) {
      joined.erase();
      return unlessDamaged(failure);
    }
    return joined;
  }

  /**
   * Takes up what is on disk. Segments and keys whose data keys are gone are burned; what was open at the crash is booked
   * as `burnedOpen`.
   *
   * **A leader burns its quarantine at every start**, but for what durable proposals hold: its disk may be an older copy that
   * has forgotten a proposal on its way, and a second manifest on the same header key would show `r_agree` (found by the
   * model: test/model, `any-key-as-header-restored`).
   */
  async recover(leads: boolean): Promise<void> {
    const transaction = this.vault.transaction();
    for (const [, value] of await this.vault.records(stateName(this.link))) {
      this.#state = value as unknown as LinkStateRecord;
    }
    for (const [name, value] of await this.vault.records(quarantinePrefix(this.link))) {
      const chunk = value as unknown as ChunkRecord;
      if (this.vault.claim(chunk.chunk) && !leads) this.quarantine.add(chunk);
      else {
        transaction.delete(name).destroy([chunk.chunk]);
        this.#moveBytes(transaction, "quarantine", "burned", chunk.lengthBytes);
      }
    }
    for (const [name, value] of await this.vault.records(segmentPrefix(this.link))) {
      const segment = name.slice(segmentPrefix(this.link).length) as SegmentName;
      const record = value as unknown as SegmentRecord;
      this.#hold(segment, record);
      if (!record.chunks.every(({ chunk }) => this.vault.claim(chunk))) {
        this.destroySegment(transaction, segment, "burned");
      }
    }
    this.#moveBytes(transaction, "open", "burnedOpen", this.vault.ledger.balances(this.ledger).open);
    await this.vault.commit(transaction);
    this.#recount();
  }

  #hold(name: SegmentName, record: SegmentRecord): void {
    if (!this.#segments.has(name)) {
      assert(name > this.#newest, `segment ${name} of ${this.link} comes after ${this.#newest}`);
      this.#newest = name;
      this.#heldBytes[record.owner] += record.lengthBytes;
    }
    this.#segments.set(name, record);
    if (record.phase !== "proposed") return;
    for (const { keys } of record.chunks) for (const run of keys) this.#proposed.add(run, name);
  }

  #unpropose({ phase, chunks }: SegmentRecord): void {
    if (phase === "proposed") for (const { keys } of chunks) for (const run of keys) this.#proposed.remove(run);
  }

  #leave(chunk: ChunkRecord): void {
    this.quarantine.remove(chunk);
    this.#ready.drop(chunk.chunk);
  }

  /** Disk and ledger must tell the same story. */
  #recount(): void {
    const { quarantine, stock } = this.vault.ledger.balances(this.ledger);
    let proposed = 0;
    let agreed = 0;
    for (const record of this.#segments.values()) {
      if (record.phase === "agreed") agreed += record.lengthBytes;
      else proposed += record.lengthBytes;
    }
    assert(quarantine === this.quarantine.bytes + proposed, `${this.link}: quarantine and ledger differ`);
    assert(stock === agreed, `${this.link}: stock is ${agreed} bytes, the ledger says ${stock}`);
  }

  /** Keys of one chunk as a chunk of their own; undefined where there are none, or the disk does not give them back whole. */
  async #sealParts(transaction: Transaction, keys: readonly KeySpan[]): Promise<ChunkRecord | undefined> {
    if (keys.length === 0) return undefined;
    using material = await this.readKeys(keys).catch(unlessDamaged);
    const sealed = material?.expose((bytes) => transaction.seal([bytes]));
    return sealed && { ...sealed, keys: keyRunsOf(keys), receivedAt: keys[0]!.chunk.receivedAt };
  }

  /** The chunks of keys in quarantine cannot be read back. */
  async #burn(keys: readonly KeySpan[]): Promise<undefined> {
    const transaction = this.vault.transaction();
    for (const chunk of new Set(keys.map((key) => key.chunk))) {
      this.#leave(chunk);
      transaction.delete(quarantinePrefix(this.link) + chunk.chunk).destroy([chunk.chunk]);
      this.#moveBytes(transaction, "quarantine", "burned", chunk.lengthBytes);
    }
    await this.vault.commit(transaction);
  }

  /** What lies in quarantine: on disk with the transaction, in memory at once. */
  #enter(transaction: Transaction, chunk: ChunkRecord): void {
    this.#putChunk(transaction, chunk);
    this.quarantine.add(chunk);
  }

  #putChunk(transaction: Transaction, chunk: ChunkRecord): void {
    transaction.put(quarantinePrefix(this.link) + chunk.chunk, chunk as unknown as RecordValue);
  }

  #moveBytes(transaction: Transaction, from: Account, to: Account, bytes: number): void {
    transaction.move({ owner: this.ledger, from, to, bytes });
  }
}

function unlessDamaged(failure: unknown): undefined {
  if (!isQkdError(failure, "STORE_DAMAGED")) throw failure;
}
