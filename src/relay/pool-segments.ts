/** The segments and id secrets of one pool, in memory and on disk alike: what outbound and inbound pools have in common. */
import { assert } from "../model/assert.ts";
import { isQkdError } from "../model/errors.ts";
import { segmentEpoch, type SegmentName } from "../model/ids.ts";
import type { KeyMaterial } from "../model/key-material.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import type { ChunkName } from "../store/key-bag.ts";
import type { KeyVault } from "../store/key-vault.ts";
import type { Account } from "../store/ledger.ts";
import type { RecordValue } from "../store/store-record.ts";
import type { Transaction } from "../store/transaction.ts";
import {
  idSecretPrefix,
  poolLedger,
  poolSegmentPrefix,
  provenanceOf,
  usedPrefix,
  type IdSecretRecord,
  type PoolId,
  type PoolSegmentRecord,
} from "./pool-records.ts";
import { admitsShares, type SplitPolicy } from "./split-policy.ts";

/** Up to so many ranges of use are written whole with each claim, as all claims of a group then share one record … */
const RANGES_REWRITTEN_MAX = 32;
/** … and beyond only what a claim adds, so many times; else a segment that is used here and there costs 12 KB a claim. */
const ADDITIONS_MAX = 200;

/** What a pool is opened with. */
export interface PoolParts {
  readonly vault: KeyVault;
  readonly clock: Clock;
  readonly log: Logger;
  /** Undefined where one route is enough. */
  readonly split?: SplitPolicy | undefined;
}

export class PoolSegments {
  readonly id: PoolId;
  readonly vault: KeyVault;
  readonly ledger: string;
  readonly #split: SplitPolicy | undefined;
  /** In the order of names once recovered; names grow with time. */
  readonly #segments = new Map<SegmentName, PoolSegmentRecord>();
  /** By epoch, in the order in which they came. */
  readonly #secrets = new Map<number, readonly IdSecretRecord[]>();
  /** How many `usedPrefix` records a segment has. */
  readonly #additions = new Map<SegmentName, number>();
  /** Segments by length: there are few lengths. */
  readonly #counts = new Map<number, number>();
  #bytes = 0;

  /** @param split  what came by fewer routes than it promises is burned when the pool is recovered */
  constructor(id: PoolId, vault: KeyVault, split?: SplitPolicy) {
    this.id = id;
    this.vault = vault;
    this.#split = split;
    this.ledger = poolLedger(id);
  }

  /** Unopened (outbound) or not wholly used (inbound), in bytes. */
  get stockBytes(): number {
    return this.#bytes;
  }

  /** Of segments that hold a key of `keyBytes`, in bytes. */
  bytesFor(keyBytes: number): number {
    let bytes = 0;
    for (const [length, count] of this.#counts) if (length >= keyBytes) bytes += length * count;
    return bytes;
  }

  get count(): number {
    return this.#segments.size;
  }

  get(name: SegmentName): PoolSegmentRecord | undefined {
    return this.#segments.get(name);
  }

  records(): IterableIterator<PoolSegmentRecord> {
    return this.#segments.values();
  }

  entries(): readonly (readonly [SegmentName, PoolSegmentRecord])[] {
    return [...this.#segments];
  }

  /** Stock that came by fewer routes than the policy wants; used parts of its segments are counted too. */
  get degradedBytes(): number {
    const routes = this.#split?.disjointPaths ?? 1;
    let bytes = 0;
    for (const { provenance, lengthBytes } of this.#segments.values()) {
      if (provenance.routes.length < routes) bytes += lengthBytes;
    }
    return bytes;
  }

  /** The oldest that `fits`. */
  first(fits: (record: PoolSegmentRecord) => boolean): readonly [SegmentName, PoolSegmentRecord] | undefined {
    for (const entry of this.#segments) if (fits(entry[1])) return entry;
    return undefined;
  }

  names(): readonly SegmentName[] {
    return [...this.#segments.keys()].sort();
  }

  /** Epochs that have an id secret, newest first. */
  epochs(): readonly number[] {
    return [...this.#secrets.keys()].sort((one, other) => other - one);
  }

  hasSecret(epoch: number): boolean {
    return this.#secrets.has(epoch);
  }

  /** Names of an epoch's id secrets, in the order in which they came. */
  secretNames(epoch: number): readonly ChunkName[] {
    return this.#secretsOf(epoch).map(({ chunk }) => chunk);
  }

  /** The caller owns it. @throws QkdError STORE_DAMAGED */
  async readSecret(epoch: number, name: ChunkName): Promise<KeyMaterial | undefined> {
    const record = this.#secretsOf(epoch).find(({ chunk }) => chunk === name);
    return record === undefined ? undefined : this.vault.read(record);
  }

  /** Beside those that the epoch has. */
  addSecret(transaction: Transaction, broughtBy: SegmentName, secret: Uint8Array): void {
    const epoch = segmentEpoch(broughtBy);
    const record: IdSecretRecord = { ...transaction.seal([secret]), broughtBy };
    this.#secrets.set(epoch, [...this.#secretsOf(epoch), record]);
    transaction.put(secretRecordName(this.id, epoch, record), record as unknown as RecordValue);
  }

  dropSecrets(transaction: Transaction, epoch: number): void {
    for (const record of this.#secretsOf(epoch)) {
      transaction.delete(secretRecordName(this.id, epoch, record)).destroy([record.chunk]);
    }
    this.#secrets.delete(epoch);
  }

  /** Seals a new segment; `from` is where its bytes come from in the ledger. */
  add(
    transaction: Transaction,
    name: SegmentName,
    bytes: Uint8Array,
    about: Pick<PoolSegmentRecord, "expiresAt" | "provenance">,
  ): void {
    assert(!this.#segments.has(name), `segment ${name} of pool ${this.ledger} is there already`);
    const sealed = transaction.seal([bytes]);
    const record: PoolSegmentRecord = { ...sealed, ...about, used: [] };
    this.#segments.set(name, record);
    this.#count(record, 1);
    transaction.put(poolSegmentPrefix(this.id) + name, record as unknown as RecordValue);
    transaction.move({ owner: this.ledger, from: "received", to: "stock", bytes: record.lengthBytes });
  }

  /**
   * Notes that more of a segment was supplied.
   *
   * @param used   all of it, as pairs from, to
   * @param added  what is new in it
   */
  noteUsed(transaction: Transaction, name: SegmentName, used: readonly number[], added: readonly number[]): void {
    const record = { ...this.#segments.get(name)!, used };
    this.#segments.set(name, record);
    const additions = this.#additions.get(name) ?? 0;
    if (used.length <= 2 * RANGES_REWRITTEN_MAX || additions === ADDITIONS_MAX) {
      this.#deleteAdditions(transaction, name);
      transaction.put(poolSegmentPrefix(this.id) + name, record as unknown as RecordValue);
    } else {
      transaction.put(additionName(this.id, name, additions), added);
      this.#additions.set(name, additions + 1);
    }
  }

  /** The same segment as another chunk, of `bytes`: what was supplied of it must be zeroed in them. */
  sealAnew(transaction: Transaction, name: SegmentName, bytes: Uint8Array, used: readonly number[]): void {
    const before = this.#segments.get(name)!;
    const record = { ...before, ...transaction.seal([bytes]), used };
    this.#segments.set(name, record);
    this.#deleteAdditions(transaction, name);
    transaction.put(poolSegmentPrefix(this.id) + name, record as unknown as RecordValue).destroy([before.chunk]);
  }

  /** The segment is no more; what of it is still in `stock` goes to `to`. */
  destroy(transaction: Transaction, name: SegmentName, to: Account): void {
    const record = this.#segments.get(name);
    assert(record !== undefined, `segment ${name} of pool ${this.ledger} is not held`);
    this.#segments.delete(name);
    this.#count(record, -1);
    this.#deleteAdditions(transaction, name);
    transaction.delete(poolSegmentPrefix(this.id) + name).destroy([record.chunk]);
    transaction.move({ owner: this.ledger, from: "stock", to, bytes: record.lengthBytes - usedBytes(record) });
  }

  /** Drops secrets of epochs of which no segment lives, but `epochs` to keep. */
  dropDeadSecrets(transaction: Transaction, keep: ReadonlySet<number>): void {
    const live = new Set([...this.#segments.keys()].map(segmentEpoch));
    for (const epoch of [...this.#secrets.keys()]) {
      if (!live.has(epoch) && !keep.has(epoch)) this.dropSecrets(transaction, epoch);
    }
  }

  /** Undefined where the disk lost it. The caller owns the material. */
  async read(record: PoolSegmentRecord): Promise<KeyMaterial | undefined> {
    try {
      return await this.vault.read(record);
    } catch (failure) {
      if (isQkdError(failure, "STORE_DAMAGED")) return undefined;
      throw failure;
    }
  }

  async recover(): Promise<void> {
    const transaction = this.vault.transaction();
    for (const [name, value] of await this.vault.records(idSecretPrefix(this.id))) {
      const record = value as unknown as IdSecretRecord;
      const epoch = Number.parseInt(name.slice(idSecretPrefix(this.id).length), 16);
      if (this.vault.claim(record.chunk)) this.#secrets.set(epoch, [...this.#secretsOf(epoch), record]);
      else transaction.delete(name);
    }
    const additions = await this.#recoverAdditions();
    for (const [name, value] of await this.vault.records(poolSegmentPrefix(this.id))) {
      const segment = name.slice(poolSegmentPrefix(this.id).length) as SegmentName;
      const found = value as unknown as PoolSegmentRecord;
      const used = [...found.used, ...(additions.get(segment) ?? [])];
      const record = { ...found, provenance: provenanceOf(found.provenance), used };
      this.#segments.set(segment, record);
      this.#count(record, 1);
      const readable = this.vault.claim(record.chunk) && this.#secrets.has(segmentEpoch(segment));
      const admitted = admitsShares(this.#split, record.provenance.routes.length);
      if (!readable || !admitted) this.destroy(transaction, segment, "burned");
    }
    const { open } = this.vault.ledger.balances(this.ledger);
    transaction.move({ owner: this.ledger, from: "open", to: "burnedOpen", bytes: open });
    await this.vault.commit(transaction);
    const unused = this.entries().reduce((sum, [, record]) => sum + record.lengthBytes - usedBytes(record), 0);
    const { stock } = this.vault.ledger.balances(this.ledger);
    assert(stock === unused, `pool ${this.ledger}: ${unused} bytes are held, the ledger says ${stock}`);
  }

  #secretsOf(epoch: number): readonly IdSecretRecord[] {
    return this.#secrets.get(epoch) ?? [];
  }

  #count({ lengthBytes }: PoolSegmentRecord, change: 1 | -1): void {
    this.#bytes += change * lengthBytes;
    const count = (this.#counts.get(lengthBytes) ?? 0) + change;
    if (count === 0) this.#counts.delete(lengthBytes);
    else this.#counts.set(lengthBytes, count);
  }

  async #recoverAdditions(): Promise<ReadonlyMap<SegmentName, readonly number[]>> {
    const found = new Map<SegmentName, number[]>();
    for (const [name, value] of await this.vault.records(usedPrefix(this.id))) {
      const segment = name.slice(usedPrefix(this.id).length, name.lastIndexOf("/")) as SegmentName;
      found.set(segment, [...(found.get(segment) ?? []), ...(value as readonly number[])]);
      this.#additions.set(segment, (this.#additions.get(segment) ?? 0) + 1);
    }
    return found;
  }

  #deleteAdditions(transaction: Transaction, name: SegmentName): void {
    const additions = this.#additions.get(name) ?? 0;
    for (let number = 0; number < additions; number++) transaction.delete(additionName(this.id, name, number));
    this.#additions.delete(name);
  }
}

const additionName = (pool: PoolId, segment: SegmentName, number: number): string =>
  `${usedPrefix(pool)}${segment}/${number.toString().padStart(3, "0")}`;

/** Records of one secret an epoch, as they were before, have no second part. */
function secretRecordName(pool: PoolId, epoch: number, { broughtBy }: IdSecretRecord): string {
  const suffix = broughtBy === undefined ? "" : `/${broughtBy}`;
  return idSecretPrefix(pool) + epoch.toString(16).padStart(8, "0") + suffix;
}

function usedBytes({ used }: PoolSegmentRecord): number {
  let bytes = 0;
  for (let i = 0; i + 1 < used.length; i += 2) bytes += used[i + 1]! - used[i]!;
  return bytes;
}
