/** One life's view of a simulated disk: three media, each with its queue of writes. */
import { QkdError } from "../../src/model/errors.ts";
import type { RecordDatabase, RecordOperation } from "../../src/store/record-database.ts";
import type { SlotChange, SlotFile } from "../../src/store/slot-file.ts";
import type { NodeLife } from "./node-life.ts";
import type { SeededRandom } from "./seeded-random.ts";

/** before: nothing is written; after: written, but the writer never hears; torn: any part that a crash may leave. */
export type CrashMode = "before" | "after" | "torn";
export type SimMedium = "database" | "key bag" | "nv";
/** How a write that has come to its end fares; "lose" is told as done. */
export type WriteVerdict = "write" | "fail" | "lose" | CrashMode;

/** What a life has of the disk. Once it ended, nothing that it asked settles, and nothing that it asks is written. */
export interface MountedDisk {
  readonly database: RecordDatabase;
  readonly keyBag: SlotFile;
  readonly nv: SlotFile;
}

/** What a mount uses of the disk. */
export interface DiskMedia {
  readonly random: SeededRandom;
  /** The database, with all in it that is durable. */
  settledDatabase(): Promise<RecordDatabase>;
  /** What a write takes. */
  writeMs(): number;
  /** What a read of one record takes; 0 when it is answered within the turn. */
  readMs(): number;
  /** A write has come to its end. */
  judge(medium: SimMedium): WriteVerdict;
  /** Why a write fails, once. */
  takeFailure(): Error | undefined;
  /** All at once. */
  applyRecords(operations: readonly RecordOperation[]): void;
  /** The content of a slot file, not to be changed. */
  slots(medium: "key bag" | "nv"): Uint8Array;
  applySlots(medium: "key bag" | "nv", bytes: Uint8Array<ArrayBuffer>): void;
  traced(what: string, contents: readonly (string | Uint8Array)[]): void;
  wrote(life: NodeLife, medium: SimMedium): void;
}

interface Write {
  readonly what: string;
  readonly contents: readonly (string | Uint8Array)[];
  readonly apply: () => void;
  /** Any state that a crash may leave. */
  readonly tear: () => void;
  readonly done: () => void;
  readonly failed: (failure: QkdError) => void;
}

export class SimMount implements MountedDisk {
  readonly database: RecordDatabase;
  readonly keyBag: SlotFile;
  readonly nv: SlotFile;
  readonly #disk: DiskMedia;
  readonly #life: NodeLife;
  readonly #queues = new Map<SimMedium, Write[]>();
  readonly #freeAtMs = new Map<SimMedium, number>();

  constructor(disk: DiskMedia, life: NodeLife) {
    this.#disk = disk;
    this.#life = life;
    this.database = this.#openDatabase();
    this.keyBag = this.#openSlots("key bag");
    this.nv = this.#openSlots("nv");
    life.onKill(() => this.#die());
  }

  #openDatabase(): RecordDatabase {
    const disk = this.#disk;
    const life = this.#life;
    const untilDead = <Result>(asked: Promise<Result>): Promise<Result> => this.#untilDead(asked);
    return {
      async *records(prefix) {
        const database = await untilDead(disk.settledDatabase());
        for await (const record of database.records(prefix)) {
          if (!life.alive) await new Promise(() => undefined);
          yield record;
        }
        if (!life.alive) await new Promise(() => undefined);
      },
      get: (name) => untilDead(this.#read(name)),
      write: (operations) => {
        const taken = operations.map(copyOfOperation);
        const apply = (): void => disk.applyRecords(taken);
        return this.#enqueue("database", {
          what: `records ${taken.length}`,
          contents: taken.flatMap((operation) =>
            operation.kind === "put" ? [operation.name, operation.value] : [`-${operation.name}`],
          ),
          apply,
          tear: () => {
            if (disk.random.chance(0.5)) apply();
          },
        });
      },
    };
  }

  async #read(name: string): Promise<Uint8Array | undefined> {
    const ms = this.#disk.readMs();
    if (ms > 0) await new Promise<void>((resolve) => this.#life.clock.after(ms, resolve));
    const database = await this.#disk.settledDatabase();
    return database.get(name);
  }

  #openSlots(medium: "key bag" | "nv"): SlotFile {
    const disk = this.#disk;
    const put = (changes: readonly SlotChange[]): void =>
      disk.applySlots(medium, withChanges(disk.slots(medium), changes));
    return {
      load: () => this.#untilDead(Promise.resolve().then(() => disk.slots(medium).slice())),
      overwrite: (changes) => {
        const taken = changes.map(({ offset, bytes }) => ({ offset, bytes: bytes.slice() }));
        return this.#enqueue(medium, {
          what: `${medium} ${taken.length} changes`,
          contents: taken.flatMap(({ offset, bytes }) => [`@${offset}`, bytes]),
          apply: () => put(taken),
          tear: () => put(taken.filter(() => disk.random.chance(0.5))),
        });
      },
      replace: (bytes) => {
        const taken = new Uint8Array(bytes);
        const apply = (): void => disk.applySlots(medium, taken);
        return this.#enqueue(medium, {
          what: `${medium} replaced`,
          contents: [taken],
          apply,
          tear: () => {
            if (disk.random.chance(0.5)) apply();
          },
        });
      },
    };
  }

  #enqueue(medium: SimMedium, write: Omit<Write, "done" | "failed">): Promise<void> {
    if (!this.#life.alive) return new Promise(() => undefined);
    const { clock } = this.#life;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const queue = this.#queues.get(medium) ?? [];
    this.#queues.set(medium, queue);
    queue.push({ ...write, done: resolve, failed: reject });
    const nowMs = clock.monotonic();
    const durableAtMs = Math.max(nowMs, this.#freeAtMs.get(medium) ?? 0) + this.#disk.writeMs();
    this.#freeAtMs.set(medium, durableAtMs);
    clock.after(durableAtMs - nowMs, () => this.#perform(medium, queue));
    return promise;
  }

  #perform(medium: SimMedium, queue: Write[]): void {
    const write = queue.shift()!;
    const disk = this.#disk;
    const verdict = disk.judge(medium);
    disk.traced(`${write.what}${verdict === "write" ? "" : `: ${verdict}`}`, write.contents);
    switch (verdict) {
      case "write":
        write.apply();
        disk.wrote(this.#life, medium);
        if (this.#life.alive) write.done();
        return;
      case "lose":
        return write.done();
      case "fail": {
        const cause = disk.takeFailure();
        return write.failed(new QkdError("STORE_FAILED", `writing to the ${medium} failed`, { medium }, cause));
      }
      case "before":
        queue.length = 0;
        return this.#life.kill();
      case "after":
        write.apply();
        return this.#life.kill();
      case "torn":
        queue.length = 0;
        write.tear();
        return this.#life.kill();
    }
  }

  /** What was under way: a part of it got to the disk. */
  #die(): void {
    for (const queue of this.#queues.values()) {
      const durable = this.#disk.random.below(queue.length + 1);
      for (const write of queue.slice(0, durable)) write.apply();
      queue[durable]?.tear();
      if (queue.length > 0) this.#disk.traced(`died with ${durable} of ${queue.length} writes`, []);
      queue.length = 0;
    }
  }

  async #untilDead<Result>(asked: Promise<Result>): Promise<Result> {
    try {
      return await asked;
    } finally {
      if (!this.#life.alive) await new Promise(() => undefined);
    }
  }
}

function copyOfOperation(operation: RecordOperation): RecordOperation {
  return operation.kind === "delete" ? { ...operation } : { ...operation, value: operation.value.slice() };
}

function withChanges(bytes: Uint8Array, changes: readonly SlotChange[]): Uint8Array<ArrayBuffer> {
  const end = changes.reduce((most, change) => Math.max(most, change.offset + change.bytes.length), bytes.length);
  const changed = new Uint8Array(end);
  changed.set(bytes);
  for (const change of changes) changed.set(change.bytes, change.offset);
  return changed;
}
