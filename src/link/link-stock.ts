/**
 * What this end of a link holds: QKD-keys in quarantine, segments proposed and agreed, and how far openings went.
 *
 * In memory and on disk alike: every change is made here, as part of a transaction that the caller commits. Memory changes
 * at once and the disk with the commit; whoever tells the neighbour waits for the commit first.
 */
import { assert } from "../model/assert.ts";
import { isQkdError } from "../model/errors.ts";
import { NO_SEGMENT, type LinkId, type QkdKeyId, type SegmentName } from "../model/ids.ts";
import { KeyMaterial } from "../model/key-material.ts";
import type { WallMs } from "../runtime/clock.ts";
import type { KeyVault } from "../store/key-vault.ts";
import type { Account } from "../store/ledger.ts";
import type { RecordValue } from "../store/store-record.ts";
import type { Transaction } from "../store/transaction.ts";
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
import { keyRunsOf, keysOf, Quarantine, type QuarantinedKey } from "./quarantine.ts";

export class LinkStock {
  readonly link: LinkId;
  readonly vault: KeyVault;
  readonly ledger: string;
  readonly quarantine = new Quarantine();
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

  segment(name: SegmentName): SegmentRecord | undefined {
    return this.#segments.get(name);
  }

  /** A snapshot, in the order of names. */
  segments(): readonly (readonly [SegmentName, SegmentRecord])[] {
    return [...this.#segments];
  }

  /** The first agreed segment of an owner: the next that may be opened. */
  nextToOpen(owner: LinkEnd): readonly [SegmentName, SegmentRecord] | undefined {
    for (const entry of this.#segments) if (entry[1].phase === "agreed" && entry[1].owner === owner) return entry;
    return undefined;
  }

  /** Proposed or agreed, and unopened, in bytes. */
  heldBytes(owner: LinkEnd): number {
    return this.#heldBytes[owner];
  }

  /** QKD-keys of proposals under way. */
  proposedIds(): ReadonlySet<QkdKeyId> {
    const ids = new Set<QkdKeyId>();
    for (const { phase, chunks } of this.#segments.values()) {
      if (phase === "proposed") for (const chunk of chunks) for (const { id } of keysOf(chunk)) ids.add(id);
    }
    return ids;
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

  /** Seals keys into quarantine. Call `admit` with the answer once the transaction is durable. */
  sealKeys(
    transaction: Transaction,
    keys: readonly { readonly id: QkdKeyId; readonly material: KeyMaterial }[],
    receivedAt: WallMs,
  ): ChunkRecord {
    const lengths = keys.map(({ id, material }) => ({ id, lengthBytes: material.lengthBytes }));
    const parts = keys.map(({ material }) => material.expose((bytes) => bytes));
    const sealed = transaction.seal(parts);
    const record: ChunkRecord = { ...sealed, keys: keyRunsOf(lengths), receivedAt };
    this.#putChunk(transaction, record);
    transaction.move({ owner: this.ledger, from: "received", to: "quarantine", bytes: sealed.lengthBytes });
    return record;
  }

  admit(chunk: ChunkRecord): void {
    this.quarantine.add(chunk);
  }

  /**
   * Takes keys out of quarantine for a segment, without writing their bytes again where they are whole chunks. Where a chunk
   * is cut, its parts are sealed again: what is taken as one chunk, what is left as another.
   */
  async takeKeys(transaction: Transaction, keys: readonly QuarantinedKey[]): Promise<ChunkRecord[]> {
    const ids = new Set(keys.map(({ id }) => id));
    assert(ids.size === keys.length, `a QKD-key of ${this.link} is taken twice at once`);
    const groups = groupsByChunk(keys);
    const cut = new Set(groups.filter(({ chunk, keys: taken }) => !isWhole(chunk, taken)).map(({ chunk }) => chunk));
    for (const chunk of new Set(groups.map((group) => group.chunk))) {
      this.quarantine.remove([...keysOf(chunk)].map(({ id }) => id));
      transaction.delete(quarantinePrefix(this.link) + chunk.chunk);
    }
    const taken: ChunkRecord[] = [];
    for (const { chunk, keys: part } of groups) {
      taken.push(cut.has(chunk) ? await this.#sealParts(transaction, part) : chunk);
    }
    for (const chunk of cut) {
      await this.#reseal(
        transaction,
        [...keysOf(chunk)].filter(({ id }) => !ids.has(id)),
      );
      transaction.destroy([chunk.chunk]);
    }
    return taken;
  }

  /** As `readKeys`; where the disk does not give them back whole, their chunks are burned and the answer is undefined. */
  async readKeysOrBurn(keys: readonly QuarantinedKey[]): Promise<KeyMaterial | undefined> {
    try {
      return await this.readKeys(keys);
    } catch (failure) {
      if (!isQkdError(failure, "STORE_DAMAGED")) throw failure;
      const transaction = this.vault.transaction();
      for (const chunk of new Set(keys.map((key) => key.chunk))) {
        this.quarantine.remove([...keysOf(chunk)].map(({ id }) => id));
        transaction.delete(quarantinePrefix(this.link) + chunk.chunk).destroy([chunk.chunk]);
        this.#moveBytes(transaction, "quarantine", "burned", chunk.lengthBytes);
      }
      await this.vault.commit(transaction);
      return undefined;
    }
  }

  /** The bytes of keys in quarantine, joined in the given order; the caller owns them. @throws QkdError STORE_DAMAGED */
  async readKeys(keys: readonly QuarantinedKey[]): Promise<KeyMaterial> {
    const joined = KeyMaterial.allocate(bytesIn(keys));
    let at = 0;
    for (const group of groupsByChunk(keys)) {
      using chunk = await this.vault.read(group.chunk).catch((failure: unknown) => {
        joined.erase();
        throw failure;
      });
      for (const { offsetBytes, lengthBytes } of group.keys) {
        const from = at;
        chunk.expose((bytes) =>
          joined.expose((whole) => whole.set(bytes.subarray(offsetBytes, offsetBytes + lengthBytes), from)),
        );
        at += lengthBytes;
      }
    }
    return joined;
  }

  /** Puts a segment's keys back into quarantine, except `burned` ones, which are destroyed. */
  async returnKeys(transaction: Transaction, record: SegmentRecord, burned: ReadonlySet<QkdKeyId>): Promise<void> {
    for (const chunk of record.chunks) {
      const keys = [...keysOf(chunk)];
      const doomed = keys.filter(({ id }) => burned.has(id));
      if (doomed.length === 0) {
        this.#putChunk(transaction, chunk);
        this.quarantine.add(chunk);
      } else {
        if (doomed.length < keys.length) {
          await this.#reseal(
            transaction,
            keys.filter(({ id }) => !burned.has(id)),
          );
        }
        transaction.destroy([chunk.chunk]);
        this.#moveBytes(transaction, "quarantine", "burned", bytesIn(doomed));
      }
    }
  }

  /** Destroys keys that lie in quarantine. */
  async discardKeys(transaction: Transaction, keys: readonly QuarantinedKey[], to: Account): Promise<void> {
    for (const chunk of await this.takeKeys(transaction, keys)) {
      transaction.destroy([chunk.chunk]);
      this.#moveBytes(transaction, "quarantine", to, chunk.lengthBytes);
    }
  }

  putSegment(transaction: Transaction, name: SegmentName, record: SegmentRecord): void {
    const before = this.#segments.get(name);
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
      if (isQkdError(failure, "STORE_DAMAGED")) return undefined;
      throw failure;
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

  async #reseal(transaction: Transaction, keys: readonly QuarantinedKey[]): Promise<void> {
    if (keys.length === 0) return;
    const rest = await this.#sealParts(transaction, keys);
    this.#putChunk(transaction, rest);
    this.quarantine.add(rest);
  }

  /** Keys of one chunk as a chunk of their own. */
  async #sealParts(transaction: Transaction, keys: readonly QuarantinedKey[]): Promise<ChunkRecord> {
    const { chunk } = keys[0]!;
    using material = await this.vault.read(chunk);
    const sealed = material.expose((bytes) =>
      transaction.seal(
        keys.map(({ offsetBytes, lengthBytes }) => bytes.subarray(offsetBytes, offsetBytes + lengthBytes)),
      ),
    );
    return { ...sealed, keys: keyRunsOf(keys), receivedAt: chunk.receivedAt };
  }

  #putChunk(transaction: Transaction, chunk: ChunkRecord): void {
    transaction.put(quarantinePrefix(this.link) + chunk.chunk, chunk as unknown as RecordValue);
  }

  #moveBytes(transaction: Transaction, from: Account, to: Account, bytes: number): void {
    transaction.move({ owner: this.ledger, from, to, bytes });
  }
}

/** Whether these are the chunk's keys, all of them and in its order: then its bytes serve as they lie. */
function isWhole(chunk: ChunkRecord, keys: readonly QuarantinedKey[]): boolean {
  const whole = [...keysOf(chunk)];
  return whole.length === keys.length && whole.every(({ id }, i) => id === keys[i]!.id);
}

const bytesIn = (keys: readonly QuarantinedKey[]): number => keys.reduce((sum, key) => sum + key.lengthBytes, 0);

/** Runs of keys that lie in one chunk; the order of keys is kept. */
function groupsByChunk(keys: readonly QuarantinedKey[]): { chunk: ChunkRecord; keys: QuarantinedKey[] }[] {
  const groups: { chunk: ChunkRecord; keys: QuarantinedKey[] }[] = [];
  for (const key of keys) {
    const last = groups.at(-1);
    if (last?.chunk.chunk === key.chunk.chunk) last.keys.push(key);
    else groups.push({ chunk: key.chunk, keys: [key] });
  }
  return groups;
}
