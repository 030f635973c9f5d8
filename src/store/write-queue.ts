/**
 * The one writer of a store: transactions that wait together become durable together.
 *
 * The order within a group is part of every state table: data keys into the bag, then records, then data keys out of the
 * bag. A crash after the first leaves data keys that no record names (destroyed at the next start); after the second,
 * data keys of chunks whose records are gone (the same). Whoever awaits a commit acts only after the third.
 */
import { QkdError, sentenceOf } from "../model/errors.ts";
import type { Clock, MonotonicMs } from "../runtime/clock.ts";
import type { KeyBag } from "./key-bag.ts";
import type { Ledger, LedgerOwner } from "./ledger.ts";
import type { RecordDatabase, RecordOperation } from "./record-database.ts";
import type { StoreMetrics } from "./store-metrics.ts";
import type { RecordValue } from "./store-record.ts";
import type { RecordPut, Transaction } from "./transaction.ts";

const GROUP_BYTES_MAX = 8 * 1_048_576;
const GROUP_TRANSACTIONS_MAX = 512;
export const JOURNAL_RING = 4096;

export interface WriteQueueParts {
  readonly database: RecordDatabase;
  readonly keyBag: KeyBag;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly metrics: StoreMetrics | undefined;
  readonly encode: (name: string, value: RecordValue) => Uint8Array;
  /** The records that say that this group was written, and what the changed accounts hold now. */
  readonly closingRecords: (journal: number, changed: readonly LedgerOwner[]) => readonly RecordPut[];
  /** Called once, with the first failed write. The process must end: nothing is written on this handle any more. */
  readonly onFailure: (failure: QkdError) => void;
}

interface Waiting {
  readonly transaction: Transaction;
  readonly done: () => void;
  readonly failed: (failure: unknown) => void;
}

/** Of somebody else than the rooms. */
interface Turn {
  readonly work: () => Promise<void>;
  readonly failed: (failure: unknown) => void;
}

export class WriteQueue {
  readonly #parts: WriteQueueParts;
  readonly #waiting: Waiting[] = [];
  readonly #between: Turn[] = [];
  #journal: number;
  #running = false;
  #failure: QkdError | undefined;
  #writingSince: MonotonicMs | undefined;

  constructor(parts: WriteQueueParts, journal: number) {
    this.#parts = parts;
    this.#journal = journal;
  }

  /** The number of the last group that is durable. */
  get journal(): number {
    return this.#journal;
  }

  /** When the write that is under way began. */
  get writingSince(): MonotonicMs | undefined {
    return this.#writingSince;
  }

  /** Durable when it resolves. @throws QkdError STORE_FAILED; the state on disk is then that before or after */
  commit(transaction: Transaction): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ transaction, done: resolve, failed: reject });
    this.#start();
    return promise;
  }

  /** Runs `work` on the key bag between two groups. @throws QkdError STORE_FAILED when it fails, which ends all writing */
  between<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    this.#between.push({ work: async () => resolve(await work()), failed: reject });
    this.#start();
    return promise;
  }

  #start(): void {
    if (this.#running) return;
    this.#running = true;
    void this.#run();
  }

  async #run(): Promise<void> {
    while (this.#waiting.length + this.#between.length > 0 && this.#failure === undefined) {
      const turn = this.#between.shift();
      if (turn !== undefined) await this.#takeTurn(turn);
      else await this.#writeGroup(this.#takeGroup());
    }
    this.#running = false;
  }

  async #takeTurn({ work, failed }: Turn): Promise<void> {
    this.#writingSince = this.#parts.clock.monotonic();
    try {
      await work();
    } catch (cause) {
      this.#fail(cause, [{ failed }]);
    }
    this.#writingSince = undefined;
  }

  async #writeGroup(group: readonly Waiting[]): Promise<void> {
    try {
      await this.#write(group.map(({ transaction }) => transaction));
      for (const { done } of group) done();
    } catch (cause) {
      this.#fail(cause, group);
    }
  }

  #takeGroup(): Waiting[] {
    let bytes = 0;
    let count = 0;
    while (count < this.#waiting.length && count < GROUP_TRANSACTIONS_MAX && bytes < GROUP_BYTES_MAX) {
      bytes += this.#waiting[count]!.transaction.sealedBytes;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  async #write(group: readonly Transaction[]): Promise<void> {
    const { database, keyBag, ledger, clock, metrics } = this.#parts;
    const startedAt = clock.monotonic();
    this.#writingSince = startedAt;
    for (const { moves } of group) for (const move of moves) ledger.move(move);
    const dataKeys = group.flatMap((transaction) => transaction.dataKeys);
    if (dataKeys.length > 0) await keyBag.add(dataKeys);
    for (const { dataKey } of dataKeys) dataKey.erase();
    await database.write(this.#operationsOf(group));
    for (const transaction of group) transaction.written();
    this.#journal += 1;
    const destroyed = group.flatMap((transaction) => transaction.destroyed);
    if (destroyed.length > 0) await keyBag.destroy(destroyed); // the point of no return for what is opened
    metrics?.commits.add({});
    metrics?.sealedBytes.add(
      {},
      group.reduce((sum, { sealedBytes }) => sum + sealedBytes, 0),
    );
    metrics?.commitSeconds.observe({}, (clock.monotonic() - startedAt) / 1000);
    this.#writingSince = undefined;
  }

  /** What is last of each name: many requests at once change one record, which is then encoded once. */
  #operationsOf(group: readonly Transaction[]): RecordOperation[] {
    const { ledger, encode, closingRecords } = this.#parts;
    const last = new Map<string, RecordOperation | RecordPut>();
    for (const { operations } of group) for (const operation of operations) last.set(operation.name, operation);
    for (const record of closingRecords(this.#journal + 1, ledger.takeChanged())) last.set(record.name, record);
    return [...last.values()].map((operation) =>
      operation.kind === "put-value"
        ? { kind: "put", name: operation.name, value: encode(operation.name, operation.value) }
        : operation,
    );
  }

  #fail(cause: unknown, atWork: readonly Pick<Waiting, "failed">[]): void {
    const sentence = `a write to the store failed, this process must end: ${sentenceOf(cause)}`;
    const failure = new QkdError("STORE_FAILED", sentence, {}, cause);
    this.#failure = failure;
    for (const { failed } of [...atWork, ...this.#waiting.splice(0), ...this.#between.splice(0)]) failed(failure);
    this.#parts.onFailure(failure);
  }
}
