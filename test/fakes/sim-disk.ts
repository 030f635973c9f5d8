/**
 * The disk of a simulated node, which outlives the node's lives: records, key bag and `nv` file, with crashes at any
 * durable write.
 *
 * Each of the three takes its writes one after the other; a write is durable, and counted, when its virtual time is
 * over. The bytes of a write are taken at the call. When a life ends, of the writes that were under way a random
 * number from the first on became durable, and the next one may be torn: SIGKILL comes between two system calls.
 */
import { levelRecordDatabase } from "../../src/io/level-record-database.ts";
import { assert } from "../../src/model/assert.ts";
import { QkdError } from "../../src/model/errors.ts";
import type { RecordDatabase, RecordOperation } from "../../src/store/record-database.ts";
import { createMemoryLevel } from "./memory-level.ts";
import type { NodeLife } from "./node-life.ts";
import type { SeededRandom } from "./seeded-random.ts";
import {
  type CrashMode,
  type DiskMedia,
  type MountedDisk,
  SimMount,
  type SimMedium,
  type WriteVerdict,
} from "./sim-mount.ts";
import type { Trace } from "./trace.ts";

export interface SimDiskOptions {
  /** For the trace. */
  readonly name: string;
  readonly random: SeededRandom;
  readonly trace: Trace;
  /** What a durable write takes, drawn from [min, max); 0.3 to 2 ms unless told. */
  readonly writeMs?: readonly [min: number, max: number];
  /** What reading a record takes, drawn from [min, max): what its reader has in memory may change meanwhile. No time unless told. */
  readonly readMs?: readonly [min: number, max: number];
}

export interface DiskSnapshot {
  readonly records: ReadonlyMap<string, Uint8Array>;
  readonly keyBag: Uint8Array;
  readonly nv: Uint8Array;
}

export interface SimDisk {
  /** @throws QkdError STORE_LOCKED while another life has it */
  mount(life: NodeLife): MountedDisk;
  /** Kills the life that makes the n-th durable write from now on (1: the next). Replaces an earlier order. */
  crashAt(writeNumber: number, mode: CrashMode): void;
  /** Takes back the order of `crashAt`. */
  doNotCrash(): void;
  /**
   * The next durable write fails and writes nothing. After a failed write to the database later ones seem to succeed
   * and are lost, as LevelDB's are after a full disk.
   */
  failNextWrite(cause: Error): void;
  /** Durable writes since the disk was made. */
  readonly writes: number;
  /** Told of each durable write, after it. */
  onWrite(listener: (life: NodeLife, medium: SimMedium) => void): void;
  snapshot(): DiskSnapshot;
  /** Puts back records and key bag; `nv` only where `withNv` says so. No life may have the disk. */
  restore(snapshot: DiskSnapshot, options?: { readonly withNv?: boolean }): void;
  /** All records, for checkers. */
  dump(): Map<string, Uint8Array>;
  keyBagBytes(): Uint8Array;
  nvBytes(): Uint8Array;
}

const WRITE_MS = [0.3, 2] as const;

export function createSimDisk(options: SimDiskOptions): SimDisk {
  return new Disk(options);
}

class Disk implements SimDisk, DiskMedia {
  readonly random: SeededRandom;
  readonly #options: SimDiskOptions;
  readonly #listeners: ((life: NodeLife, medium: SimMedium) => void)[] = [];
  /** The same as in the database, for those who cannot wait. */
  #records = new Map<string, Uint8Array>();
  #slots = { "key bag": new Uint8Array(0), nv: new Uint8Array(0) };
  #database: RecordDatabase;
  /** Settles when the database has all that is durable. */
  #applied: Promise<void>;
  #mountedBy: NodeLife | undefined;
  #databaseFailed = false;
  #writes = 0;
  #crash: { readonly atWrite: number; readonly mode: CrashMode } | undefined;
  #failure: Error | undefined;

  constructor(options: SimDiskOptions) {
    this.#options = options;
    this.random = options.random;
    const level = createMemoryLevel();
    this.#database = levelRecordDatabase(level);
    this.#applied = level.open();
  }

  get writes(): number {
    return this.#writes;
  }

  mount(life: NodeLife): MountedDisk {
    assert(life.alive, "a life that ended mounts nothing");
    if (this.#mountedBy?.alive === true) {
      throw new QkdError("STORE_LOCKED", `the disk ${this.#options.name} is in use`, { disk: this.#options.name });
    }
    this.#mountedBy = life;
    this.#databaseFailed = false;
    return new SimMount(this, life);
  }

  crashAt(writeNumber: number, mode: CrashMode): void {
    assert(writeNumber >= 1, "the next write has the number 1");
    this.#crash = { atWrite: this.#writes + writeNumber, mode };
  }

  doNotCrash(): void {
    this.#crash = undefined;
  }

  failNextWrite(cause: Error): void {
    this.#failure = cause;
  }

  onWrite(listener: (life: NodeLife, medium: SimMedium) => void): void {
    this.#listeners.push(listener);
  }

  snapshot(): DiskSnapshot {
    return { records: this.dump(), keyBag: this.keyBagBytes(), nv: this.nvBytes() };
  }

  restore(snapshot: DiskSnapshot, options: { readonly withNv?: boolean } = {}): void {
    assert(this.#mountedBy?.alive !== true, "a disk is restored while nobody has it");
    this.#options.trace.line(`${this.#options.name} disk restored`);
    const level = createMemoryLevel();
    this.#database = levelRecordDatabase(level);
    this.#applied = level.open();
    this.#records = new Map();
    this.applyRecords([...snapshot.records].map(([name, value]) => ({ kind: "put", name, value: value.slice() })));
    this.#slots["key bag"] = snapshot.keyBag.slice();
    if (options.withNv === true) this.#slots.nv = snapshot.nv.slice();
  }

  dump(): Map<string, Uint8Array> {
    return new Map([...this.#records].sort(([one], [other]) => (one < other ? -1 : 1)));
  }

  keyBagBytes(): Uint8Array {
    return this.#slots["key bag"].slice();
  }

  nvBytes(): Uint8Array {
    return this.#slots.nv.slice();
  }

  async settledDatabase(): Promise<RecordDatabase> {
    await this.#applied;
    return this.#database;
  }

  readMs(): number {
    const { readMs } = this.#options;
    return readMs === undefined ? 0 : this.random.between(...readMs);
  }

  writeMs(): number {
    return this.random.between(...(this.#options.writeMs ?? WRITE_MS));
  }

  judge(medium: SimMedium): WriteVerdict {
    this.#writes += 1;
    if (this.#crash?.atWrite === this.#writes) {
      const { mode } = this.#crash;
      this.#crash = undefined;
      return mode;
    }
    if (this.#failure !== undefined) {
      if (medium === "database") this.#databaseFailed = true;
      return "fail";
    }
    return medium === "database" && this.#databaseFailed ? "lose" : "write";
  }

  takeFailure(): Error | undefined {
    const failure = this.#failure;
    this.#failure = undefined;
    return failure;
  }

  applyRecords(operations: readonly RecordOperation[]): void {
    for (const operation of operations) {
      if (operation.kind === "put") this.#records.set(operation.name, operation.value);
      else this.#records.delete(operation.name);
    }
    const database = this.#database;
    this.#applied = this.#applied.then(() => database.write(operations));
  }

  applySlots(medium: "key bag" | "nv", bytes: Uint8Array<ArrayBuffer>): void {
    this.#slots[medium] = bytes;
  }

  slots(medium: "key bag" | "nv"): Uint8Array {
    return this.#slots[medium];
  }

  traced(what: string, contents: readonly (string | Uint8Array)[]): void {
    this.#options.trace.line(`${this.#options.name} disk ${this.#writes} ${what}`);
    for (const part of contents) this.#options.trace.contents(part);
  }

  wrote(life: NodeLife, medium: SimMedium): void {
    for (const listener of this.#listeners) listener(life, medium);
  }
}
