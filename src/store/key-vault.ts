/**
 * The store of one node: sealed chunks of key, authenticated records, a ledger, behind one writer.
 *
 * What it promises: a transaction is durable as a whole when `commit` resolves; a chunk that was destroyed by a
 * committed transaction cannot be read again from this disk, by anyone. What it does not know: links, pools, relays.
 */
import { createDecipheriv } from "node:crypto";
import { isQkdError, QkdError } from "../model/errors.ts";
import { segmentName } from "../model/ids.ts";
import { KeyMaterial } from "../model/key-material.ts";
import { SECOND_MS } from "../model/units.ts";
import type { Clock, MonotonicMs } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import type { MetricsRegistry } from "../runtime/metrics.ts";
import { randomName, type Random } from "../runtime/random.ts";
import { decryptedBytes } from "./decrypted-bytes.ts";
import { openKeyBag, type ChunkName, type KeyBag } from "./key-bag.ts";
import { Ledger, type Balances, type LedgerOwner } from "./ledger.ts";
import type { RecordDatabase } from "./record-database.ts";
import type { SlotFile } from "./slot-file.ts";
import { createStoreMac, type StoreMac } from "./store-keys.ts";
import { createStoreMetrics, type StoreMetrics } from "./store-metrics.ts";
import { decodeRecord, encodeRecord, type RecordValue } from "./store-record.ts";
import {
  CHUNK_NONCE,
  CHUNK_PREFIX,
  CHUNK_TAG_BYTES,
  CHUNK_VERSION,
  chunkContext,
  Transaction,
  type RecordPut,
} from "./transaction.ts";
import { JOURNAL_RING, WriteQueue } from "./write-queue.ts";

const META = "meta";
const LIVES = "lives";
const LEDGER_PREFIX = "ledger/";
const JOURNAL_PREFIX = "journal/";

export interface KeyVaultParts {
  readonly database: RecordDatabase;
  readonly keyBagFile: SlotFile;
  /** Undefined: the sealing key is in memory only, and the stock of earlier lives is burned. */
  readonly nvFile: SlotFile | undefined;
  /** 32 bytes from a credential; the vault keeps and erases it. */
  readonly root: KeyMaterial;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: MetricsRegistry | undefined;
  readonly onFailure: (failure: QkdError) => void;
}

interface Meta {
  readonly schema: number;
  readonly storeId: string;
  readonly epoch: number;
  readonly journal: number;
}

/** Earlier lives: epoch, and the journal number at which it ended on this disk. The newest last. Written once a start. */
type Lives = readonly (readonly [epoch: number, journal: number])[];

/** Lives whose ends are remembered: a mark of an older one is taken as it is. */
const LIVES_KEPT = 256;
/** Of the records below. 1 knows no `used/` records of pools: such a daemon would give keys a second time. */
const SCHEMA = 2;
const SCHEMA_MIN = 1;
/** Data keys that are wrapped anew at once: about 2 ms, and others have their turn in between. */
const DAMAGED_NOTED_MAX = 10_000;
const REWRAP_STEP = 32;

/**
 * @throws QkdError STORE_DAMAGED     the root is not this store's, a record does not verify, or the journal has a hole
 * @throws QkdError VERSION_MISMATCH  the store was written by another version; nothing was changed
 */
export async function openKeyVault(parts: KeyVaultParts): Promise<KeyVault> {
  const stored = await parts.database.get(META);
  if (stored === undefined) await mustBeEmpty(parts.database);
  const storeId = stored === undefined ? randomName(parts.random, 16) : storeIdIn(stored);
  const mac = createStoreMac(parts.root, "records", storeId);
  const meta = stored === undefined ? undefined : (decodeRecord(mac, META, stored) as unknown as Meta);
  if (meta !== undefined && (meta.schema < SCHEMA_MIN || meta.schema > SCHEMA)) {
    const known = `${SCHEMA_MIN} to ${SCHEMA}`;
    throw new QkdError("VERSION_MISMATCH", `the store has schema ${meta.schema}, this daemon knows ${known}`, {});
  }
  const epoch = Math.max((meta?.epoch ?? 0) + 1, Math.floor(parts.clock.wall() / SECOND_MS));
  const journal = meta?.journal ?? 0;
  if (meta !== undefined) await checkJournal(parts.database, mac, journal);
  const files = { file: parts.keyBagFile, nv: parts.nvFile, storeIsNew: stored === undefined };
  const keyBag = await openKeyBag({ ...parts, ...files, storeId });
  const ledger = new Ledger();
  for await (const [name, record] of parts.database.records(LEDGER_PREFIX)) {
    ledger.restore(name.slice(LEDGER_PREFIX.length), decodeRecord(mac, name, record) as unknown as Partial<Balances>);
  }
  ledger.takeChanged();
  const before = await parts.database.get(LIVES);
  const known = before === undefined ? [] : (decodeRecord(mac, LIVES, before) as unknown as Lives);
  const lives = meta === undefined ? [] : [...known, [meta.epoch, journal] as const].slice(-LIVES_KEPT);
  const vault = new KeyVault(parts, { lives, storeId, epoch, journal, mac, keyBag, ledger });
  await vault.commit(vault.transaction().put(LIVES, lives)); // the new epoch is durable before any segment is named in it
  return vault;
}

export class KeyVault {
  readonly storeId: string;
  /** Larger at each start, about the wall clock's seconds: names made in this life begin with it. */
  readonly epoch: number;
  /** The journal number that was on disk when this life began. */
  readonly journalAtStart: number;
  readonly ledger: Ledger;
  /** Authenticates what this store hands out and gets back (marks). */
  readonly markMac: StoreMac;
  readonly #parts: KeyVaultParts;
  readonly #mac: StoreMac;
  readonly #lives: Lives;
  readonly #keyBag: KeyBag;
  readonly #queue: WriteQueue;
  readonly #claimed = new Set<ChunkName>();
  /** Chunks that rooms know of already, while they are being written. */
  readonly #underWay = new Map<ChunkName, Promise<void>>();
  /** In this life. */
  readonly #damaged = new Set<ChunkName>();
  #chunkNumber = 0;
  #wrappedAt: MonotonicMs;
  readonly #metrics: StoreMetrics | undefined;

  constructor(
    parts: KeyVaultParts,
    opened: Pick<Meta, "storeId" | "epoch" | "journal"> & {
      readonly lives: Lives;
      readonly mac: StoreMac;
      readonly keyBag: KeyBag;
      readonly ledger: Ledger;
    },
  ) {
    this.storeId = opened.storeId;
    this.epoch = opened.epoch;
    this.journalAtStart = opened.journal;
    this.#lives = opened.lives;
    this.ledger = opened.ledger;
    this.markMac = createStoreMac(parts.root, "marks", opened.storeId);
    this.#parts = parts;
    this.#mac = opened.mac;
    this.#keyBag = opened.keyBag;
    this.#wrappedAt = parts.clock.monotonic();
    this.#metrics = parts.metrics === undefined ? undefined : this.#openMetrics(parts.metrics);
    this.#queue = new WriteQueue(
      {
        ...parts,
        keyBag: opened.keyBag,
        ledger: opened.ledger,
        metrics: this.#metrics,
        encode: (name, value) => encodeRecord(this.#mac, name, value),
        closingRecords: (journal, changed) => this.#closingRecords(journal, changed),
      },
      opened.journal,
    );
  }

  #openMetrics(registry: MetricsRegistry): StoreMetrics {
    const metrics = createStoreMetrics(registry);
    const ageMs = (): number => this.#parts.clock.monotonic() - this.#wrappedAt;
    registry.beforeScrape(() => metrics.wrapAge.set({}, ageMs() / SECOND_MS));
    return metrics;
  }

  /** The number of the last durable group of writes. */
  get journal(): number {
    return this.#queue.journal;
  }

  /** When the write that is under way began: one that does not end is a disk that does not answer. */
  get writingSince(): MonotonicMs | undefined {
    return this.#queue.writingSince;
  }

  /** How far the writes of one life went, as this disk knows; undefined for a life that it does not know. */
  journalOf(epoch: number): number | undefined {
    if (epoch === this.epoch) return this.journal;
    const life = this.#lives.find(([known]) => known === epoch);
    if (life !== undefined) return life[1];
    const oldest = this.#lives[0];
    return this.#lives.length < LIVES_KEPT || oldest === undefined || epoch > oldest[0] ? undefined : oldest[1];
  }

  transaction(): Transaction {
    return new Transaction({
      storeId: this.storeId,
      nextChunk: () => segmentName(this.epoch, ++this.#chunkNumber) as string as ChunkName,
      freshDataKey: () => {
        const dataKey = KeyMaterial.allocate(32);
        dataKey.expose((bytes) => this.#parts.random.fill(bytes));
        return dataKey;
      },
    });
  }

  /** Durable when it resolves. @throws QkdError STORE_FAILED */
  async commit(transaction: Transaction): Promise<void> {
    const durable = this.#queue.commit(transaction);
    const chunks = transaction.dataKeys.map(({ chunk }) => chunk);
    for (const chunk of chunks) this.#underWay.set(chunk, durable);
    try {
      await durable;
    } finally {
      for (const chunk of chunks) this.#underWay.delete(chunk);
    }
  }

  /**
   * A chunk's bytes, as soon as it is durable; the caller owns them.
   *
   * @throws QkdError STORE_DAMAGED when the data key or the record is gone, or does not verify
   */
  async read({
    chunk,
    lengthBytes,
  }: {
    readonly chunk: ChunkName;
    readonly lengthBytes: number;
  }): Promise<KeyMaterial> {
    const underWay = this.#underWay.get(chunk);
    if (underWay !== undefined) await underWay;
    try {
      return await this.#unseal(chunk, lengthBytes);
    } catch (failure) {
      if (isQkdError(failure, "STORE_DAMAGED") && this.#keyBag.has(chunk)) this.#foundDamaged(chunk, failure);
      throw failure;
    }
  }

  async #unseal(chunk: ChunkName, lengthBytes: number): Promise<KeyMaterial> {
    using dataKey = this.#keyBag.dataKey(chunk);
    const record = await this.#parts.database.get(CHUNK_PREFIX + chunk);
    if (dataKey === undefined || record === undefined || record.length !== 1 + lengthBytes + CHUNK_TAG_BYTES) {
      throw new QkdError("STORE_DAMAGED", `chunk ${chunk} is not whole`, { chunk });
    }
    const decipher = dataKey.expose((bytes) => createDecipheriv("aes-256-gcm", bytes, CHUNK_NONCE));
    decipher.setAAD(chunkContext(this.storeId, chunk, record[0])).setAuthTag(record.subarray(1 + lengthBytes));
    const plain = KeyMaterial.adopt(decryptedBytes(decipher, record.subarray(1, 1 + lengthBytes)));
    try {
      decipher.final();
    } catch (cause) {
      plain.erase();
      throw new QkdError("STORE_DAMAGED", `chunk ${chunk} does not verify`, { chunk }, cause);
    }
    if (record[0] === CHUNK_VERSION) return plain;
    plain.erase();
    throw new QkdError("VERSION_MISMATCH", `chunk ${chunk} has another format`, { chunk });
  }

  /** Its room burns it. Once for each chunk: it may be asked for again before it is burned. */
  #foundDamaged(chunk: ChunkName, failure: QkdError): void {
    if (this.#damaged.has(chunk)) return;
    if (this.#damaged.size < DAMAGED_NOTED_MAX) this.#damaged.add(chunk);
    this.#metrics?.damagedChunks.add({});
    this.#parts.log.error("the store gave a chunk back damaged: it is burned", { chunk, reason: failure.message });
  }

  /** What the operator has to know about the disk. */
  troubles(): readonly string[] {
    const { size } = this.#damaged;
    return size === 0 ? [] : [`${size} sealed ${size === 1 ? "piece" : "pieces"} of key came back damaged, and burned`];
  }

  /** Records found at start, decoded. @throws QkdError STORE_DAMAGED when one does not verify */
  async records(prefix: string): Promise<(readonly [name: string, value: RecordValue])[]> {
    const found: (readonly [string, RecordValue])[] = [];
    for await (const [name, record] of this.#parts.database.records(prefix)) {
      found.push([name, decodeRecord(this.#mac, name, record)]);
    }
    return found;
  }

  /** At start, each room claims the chunks that its records name. @returns false when the chunk's data key is gone */
  claim(chunk: ChunkName): boolean {
    this.#claimed.add(chunk);
    return this.#keyBag.has(chunk);
  }

  /** After all rooms have claimed theirs: data keys that no record names are destroyed. @returns how many there were */
  async sweepUnclaimed(): Promise<number> {
    const ofThisLife = segmentName(this.epoch, 0).slice(0, 8); // sealed since the start, by rooms that are open already
    const orphans = [...this.#keyBag.chunks()].filter(
      (chunk) => !this.#claimed.has(chunk) && !chunk.startsWith(ofThisLife),
    );
    this.#claimed.clear();
    if (orphans.length > 0) await this.commit(this.transaction().destroy(orphans));
    return orphans.length;
  }

  /** How the data keys are wrapped now. */
  get wrapping(): { readonly epoch: number; readonly since: MonotonicMs; readonly destroyed: number } {
    const { wrapEpoch: epoch, destroyedSinceWrap: destroyed } = this.#keyBag;
    return { epoch, since: this.#wrappedAt, destroyed };
  }

  /**
   * Wraps all data keys anew: when it resolves, no data key that was destroyed before it began can be had from an
   * earlier copy of the disk. One at a time.
   *
   * @throws QkdError CANCELLED, nothing was changed; STORE_FAILED
   */
  async rewrap(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#parts;
    const rewrap = this.#keyBag.beginRewrap();
    while (rewrap.step(REWRAP_STEP)) await clock.sleep(0, signal);
    const lost = await this.#queue.between(() => rewrap.finish());
    this.#wrappedAt = clock.monotonic();
    this.#metrics?.rewraps.add({});
    if (lost.length > 0) log.error("data keys did not verify and are gone: key bag damaged", { dataKeys: lost.length });
  }

  /**
   * Destroys every data key, for ever: in memory at once, on the disk when it resolves. No copy of the records can be
   * read after that, also with the root. The process must end: a commit that adds key fails from now on.
   *
   * @returns how many data keys there were
   * @throws QkdError STORE_FAILED  a file could not be overwritten; the other one may have been
   */
  async zeroize(): Promise<number> {
    const dataKeys = [...this.#keyBag.chunks()].length;
    this.#keyBag.forget();
    this.#parts.root.erase();
    const { keyBagFile, nvFile } = this.#parts;
    const files = nvFile === undefined ? [keyBagFile] : [keyBagFile, nvFile];
    await Promise.all(files.map(overwriteAll));
    return dataKeys;
  }

  #closingRecords(journal: number, changed: readonly LedgerOwner[]): readonly RecordPut[] {
    const meta: Meta = { schema: SCHEMA, storeId: this.storeId, epoch: this.epoch, journal };
    const records: (readonly [string, RecordValue])[] = [
      [META, meta as unknown as RecordValue],
      [journalRecord(journal), journal],
      ...changed.map((owner) => [LEDGER_PREFIX + owner, { ...this.ledger.balances(owner) }] as const),
    ];
    return records.map(([name, value]) => ({ kind: "put-value", name, value }));
  }
}

async function overwriteAll(file: SlotFile): Promise<void> {
  const { length } = await file.load();
  await file.overwrite([{ offset: 0, bytes: new Uint8Array(length) }]);
}

const journalRecord = (journal: number): string =>
  JOURNAL_PREFIX + (journal % JOURNAL_RING).toString().padStart(4, "0");

/** A hole means that LevelDB dropped a block that it had called durable (a flipped bit does that, silently). */
async function checkJournal(database: RecordDatabase, mac: StoreMac, journal: number): Promise<void> {
  const seen = new Set<number>();
  for await (const [name, record] of database.records(JOURNAL_PREFIX)) {
    seen.add(decodeRecord(mac, name, record) as number);
  }
  for (let number = journal; number > Math.max(0, journal - JOURNAL_RING); number--) {
    if (!seen.has(number)) {
      throw new QkdError("STORE_DAMAGED", `the journal of the store lacks write ${number} of ${journal}`, {
        missing: number,
        remedy: "move the store's folder away: a new store starts empty, neighbours burn what was shared",
      });
    }
  }
}

/** A new store overwrites the key bag: so it has to be a new one, not one that lost its first record. */
async function mustBeEmpty(database: RecordDatabase): Promise<void> {
  for await (const [name] of database.records("")) {
    throw new QkdError("STORE_DAMAGED", `the store has records (${name}) but lost its name`, { record: name });
  }
}

/** The store id, before the MAC can be checked (it is part of what the MAC's key comes from). */
function storeIdIn(record: Uint8Array): string {
  const body = new TextDecoder().decode(record.subarray(1, Math.max(1, record.length - 16)));
  const storeId = /"storeId":"([0-9a-f]{32})"/.exec(body)?.[1];
  if (storeId === undefined) throw new QkdError("STORE_DAMAGED", "the store has no readable name", {});
  return storeId;
}
