/** What every driver promises: the laws of src/driver/qkd-driver.ts, as a suite over both ends of a link. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DriverHost, QkdDriver, QkdKeyBatch, QkdModule } from "../../src/driver/qkd-driver.ts";
import { isQkdError } from "../../src/model/errors.ts";
import type { QkdKeyId } from "../../src/model/ids.ts";
import { openScope, type Scope } from "../../src/runtime/scope.ts";
import { printsOf, type KeyPrint } from "../fakes/key-prints.ts";
import { createRecordingLogger } from "../fakes/recording-logger.ts";

export type RigEnd = "a" | "b";

/** A link between two modules that nothing else uses, and the power to spoil it. */
export interface QkdDriverRig {
  readonly driver: QkdDriver;
  readonly configs: Readonly<Record<RigEnd, unknown>>;
  readonly host: DriverHost;
  generatedBlocks(): number;
  /** Blocks of which the module at this end knows that they are stored. */
  acknowledgedBlocks(end: RigEnd): number;
  /** The line hangs up. */
  unplug(end: RigEnd): Promise<void>;
  plug(end: RigEnd): Promise<void>;
  /** Noise in the line from the module; absent where there is no line. */
  readonly addGarbage: ((end: RigEnd) => Promise<void>) | undefined;
  /** Lets time pass until the predicate holds. @throws Error when it takes too long */
  until(predicate: () => boolean): Promise<void>;
  /** Lets so much time pass. */
  pass(durationMs: number): Promise<void>;
  close(): Promise<void>;
}

export interface QkdDriverRigOptions {
  readonly rateBps: number;
  readonly blockBytes: number;
  /** Blocks that an end keeps unacknowledged, at most. */
  readonly keptBlocksMax: number;
}

/** Many small blocks a second, and more room than the tests need. */
const LIVELY: QkdDriverRigOptions = { rateBps: 4_000_000, blockBytes: 1000, keptBlocksMax: 1000 };
/** Few blocks, so that none comes between two steps of a test. */
const SMALL_STOCK: QkdDriverRigOptions = { rateBps: 4_000_000, blockBytes: 1000, keptBlocksMax: 70 };

export function describeQkdDriver(
  name: string,
  openRig: (options: QkdDriverRigOptions) => Promise<QkdDriverRig>,
): void {
  const law = (sentence: string, options: QkdDriverRigOptions, prove: (bench: Bench) => Promise<void>): void => {
    it(sentence, async () => {
      const bench = new Bench(await openRig(options));
      try {
        await prove(bench);
      } finally {
        await bench.close();
      }
    });
  };

  describe(`QKD driver: ${name}`, () => {
    law("refuses a setting that it does not know, by its name", LIVELY, async ({ rig }) => {
      const settings = { ...(rig.configs.a as object), colour: "blue" };
      const names = (error: unknown): boolean => isQkdError(error, "CONFIG_INVALID") && error.facts.field === "colour";
      assert.throws(() => rig.driver.parseConfig(settings), names);
      await Promise.resolve();
    });

    law("an open module has said who it is", LIVELY, async (bench) => {
      const { module } = await bench.open("a");
      assert.notEqual(module.identity.vendor, "");
      assert.notEqual(module.identity.serialNumber, "");
      assert.deepEqual(module.faults(), { garbageRuns: 0, crcErrors: 0, keysRefused: 0 });
      await bench.rig.until(() => module.status().state === "generating");
      const { qber } = module.status();
      assert.ok(qber === undefined || (qber >= 0 && qber <= 1));
    });

    law("both ends give the same keys with the same ids", LIVELY, async (bench) => {
      const [a, b] = await Promise.all([bench.open("a"), bench.open("b")]);
      const [atA, atB] = await Promise.all([a.read(40), b.read(40)]);
      assert.deepEqual(atA.slice(0, 40), atB.slice(0, 40));
      assert.equal(new Set(atA.map(({ id }) => id)).size, atA.length, "each id once");
      assert.equal(new Set(atA.map(({ digest }) => digest)).size, atA.length, "each key once");
    });

    law("a batch counts as stored when the next one is asked for, and not before", LIVELY, async (bench) => {
      const { batches } = await bench.open("a");
      const first = await bench.next(batches);
      await bench.rig.pass(50);
      assert.equal(bench.rig.acknowledgedBlocks("a"), 0);
      await bench.next(batches);
      await bench.rig.until(() => bench.rig.acknowledgedBlocks("a") > 0);
      assert.equal(bench.rig.acknowledgedBlocks("a"), first.length);
    });

    law("keys that were not acknowledged come again after reopening", LIVELY, async (bench) => {
      const before = await bench.open("a");
      const first = await before.read(1);
      await before.scope.close();
      const again = await bench.open("a");
      assert.deepEqual((await again.read(first.length)).slice(0, first.length), first);
    });

    law("keys that were not acknowledged come again to the next reader of an open module", LIVELY, async (bench) => {
      const { module, batches, read } = await bench.open("a");
      const first = await read(1);
      await batches.return?.();
      const again = bench.reader(module, undefined);
      assert.deepEqual((await again.read(first.length)).slice(0, first.length), first);
    });

    law("what is stored already does not come again, even if the module never heard of it", LIVELY, async (bench) => {
      const before = await bench.open("a");
      const first = await before.read(3);
      await before.scope.close();
      const after = first[1]!.id;
      const again = await bench.open("a", after);
      const [next] = await again.read(1);
      assert.equal(next!.id, first[2]!.id);
    });

    law("a lost module closes its scope with DEVICE_LOST, and reading throws it", LIVELY, async (bench) => {
      const { scope, module } = await bench.open("a");
      const { batches } = bench.reader(module, undefined, scope.signal);
      await bench.next(batches);
      const closed = scope.closed.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      await bench.rig.unplug("a");
      const failure = await bench.settled(closed);
      assert.ok(isQkdError(failure, "DEVICE_LOST"), String(failure));
      await assert.rejects(bench.settled(readOn(batches)), (reason) => isQkdError(reason, "DEVICE_LOST"));
    });

    law("a module that is not there is DEVICE_LOST, and can be opened when it is back", LIVELY, async (bench) => {
      const before = await bench.open("a");
      const first = await before.read(1);
      await bench.rig.unplug("a");
      await bench.settled(before.scope.closed.catch(() => undefined));
      await assert.rejects(bench.open("a"), (reason) => isQkdError(reason, "DEVICE_LOST"));
      await bench.rig.plug("a");
      const again = await bench.open("a");
      assert.deepEqual((await again.read(1))[0], first[0]);
    });

    law("reading ends when its signal aborts", LIVELY, async (bench) => {
      const { module } = await bench.open("a");
      const abort = new AbortController();
      const { batches } = bench.reader(module, undefined, abort.signal);
      await bench.next(batches);
      abort.abort();
      assert.equal((await bench.settled(batches.next())).done, true);
    });

    law("a host that does not read stops the generation, and loses no key", SMALL_STOCK, async (bench) => {
      const { keptBlocksMax } = SMALL_STOCK;
      const { read } = await bench.open("a");
      await bench.rig.until(() => bench.rig.generatedBlocks() >= keptBlocksMax - 1);
      await bench.rig.pass(100);
      assert.ok(bench.rig.generatedBlocks() <= keptBlocksMax);
      const other = await bench.open("b");
      const count = 2 * keptBlocksMax;
      const [a, b] = await Promise.all([read(count), other.read(count)]);
      assert.deepEqual(a.slice(0, count), b.slice(0, count));
    });

    law("noise in the line neither loses nor changes a key", LIVELY, async (bench) => {
      const { addGarbage } = bench.rig;
      if (addGarbage === undefined) return;
      const [a, b] = await Promise.all([bench.open("a"), bench.open("b")]);
      const atA: KeyPrint[] = [];
      for (let i = 0; i < 5; i++) {
        await addGarbage("a");
        atA.push(...(await a.read(20)));
      }
      const atB = await b.read(atA.length);
      assert.deepEqual(atA, atB.slice(0, atA.length));
      const { garbageRuns, crcErrors, keysRefused } = a.module.faults();
      assert.ok(garbageRuns + crcErrors > 0);
      assert.equal(keysRefused, 0);
    });
  });
}

type Batches = AsyncIterator<QkdKeyBatch>;

interface Reader {
  readonly batches: Batches;
  /** Whole batches, until at least `count` keys have come; all but the last batch are acknowledged. */
  readonly read: (count: number) => Promise<KeyPrint[]>;
}

interface OpenEnd extends Reader {
  readonly module: QkdModule;
  readonly scope: Scope;
}

class Bench {
  readonly rig: QkdDriverRig;
  readonly #scope: Scope;
  #opened = 0;

  constructor(rig: QkdDriverRig) {
    this.rig = rig;
    this.#scope = openScope("contract", createRecordingLogger());
  }

  async open(end: RigEnd, after?: QkdKeyId): Promise<OpenEnd> {
    const scope = this.#scope.child(`${end} ${++this.#opened}`);
    const config = this.rig.driver.parseConfig(this.rig.configs[end]);
    const module = await this.settled(this.rig.driver.open(config, this.rig.host, scope));
    return { module, scope, ...this.reader(module, after) };
  }

  reader(module: QkdModule, after: QkdKeyId | undefined, signal = this.#scope.signal): Reader {
    assert.equal(module.keySource.kind, "stream");
    const batches = (module.keySource as { keys: (...args: unknown[]) => AsyncIterable<QkdKeyBatch> })
      .keys(after, signal)
      [Symbol.asyncIterator]();
    return { batches, read: (count) => this.#read(batches, count) };
  }

  /** The next batch as prints; its material is erased. */
  async next(batches: Batches): Promise<KeyPrint[]> {
    const { value, done } = await this.settled(batches.next());
    assert.notEqual(done, true, "the keys end");
    const batch = value as QkdKeyBatch;
    const prints = printsOf(batch);
    assert.ok(prints.length > 0, "a batch has at least one key");
    assert.equal(prints.at(-1)!.id, batch.last, "a batch names its last key");
    return prints;
  }

  async settled<Value>(promise: Promise<Value>): Promise<Value> {
    let isSettled = false;
    const note = (): void => void (isSettled = true);
    promise.then(note, note);
    await this.rig.until(() => isSettled);
    return promise;
  }

  async close(): Promise<void> {
    await this.settled(this.#scope.close());
    await this.rig.close();
  }

  async #read(batches: Batches, count: number): Promise<KeyPrint[]> {
    const prints: KeyPrint[] = [];
    while (prints.length < count) prints.push(...(await this.next(batches)));
    return prints;
  }
}

/** Reads until it throws. */
async function readOn(batches: Batches): Promise<void> {
  for (;;) {
    const { value, done } = await batches.next();
    if (done === true) return;
    value.material.erase();
  }
}
