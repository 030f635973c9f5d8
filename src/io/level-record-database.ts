/** The disk port for records, served by an injected abstract-level database: LevelDB in a daemon, memory in a test. */
import type { AbstractLevel } from "abstract-level";
import { QkdError } from "../model/errors.ts";
import type { RecordDatabase, RecordOperation } from "../store/record-database.ts";

/** Names are strings, values are bytes; how the database encodes them below is its own business. */
export type RecordLevel<Format> = AbstractLevel<Format, string, Uint8Array>;

const AFTER_EVERY_NAME = "\u{10ffff}";
// Chained, not an array: an array batch blocks the event loop for milliseconds. `sync` always: LevelDB loses records
// when synced and unsynced writes are mixed (both measured).
const DURABLE = { sync: true } as const;

/**
 * The bytes of a write are taken at the call: who gave them may change them as soon as `write` has returned its promise
 * (true of LevelDB; a database in memory keeps the arrays themselves).
 */
export function levelRecordDatabase<Format>(level: RecordLevel<Format>): RecordDatabase {
  return new LevelRecordDatabase(level);
}

class LevelRecordDatabase<Format> implements RecordDatabase {
  readonly #level: RecordLevel<Format>;

  constructor(level: RecordLevel<Format>) {
    this.#level = level;
  }

  async *records(prefix: string): AsyncGenerator<readonly [name: string, value: Uint8Array]> {
    try {
      yield* this.#level.iterator({ gte: prefix, lt: prefix + AFTER_EVERY_NAME });
    } catch (cause) {
      throw failed("reading records failed", cause);
    }
  }

  async get(name: string): Promise<Uint8Array | undefined> {
    try {
      return await this.#level.get(name);
    } catch (cause) {
      throw failed("reading a record failed", cause);
    }
  }

  async write(operations: readonly RecordOperation[]): Promise<void> {
    if (operations.length === 0) return;
    try {
      const batch = this.#level.batch();
      for (const operation of operations) {
        if (operation.kind === "put") batch.put(operation.name, operation.value);
        else batch.del(operation.name);
      }
      await batch.write(DURABLE);
    } catch (cause) {
      throw failed("writing records failed", cause);
    }
  }
}

function failed(what: string, cause: unknown): QkdError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new QkdError("STORE_FAILED", `${what}: ${reason}`, { reason }, cause);
}
