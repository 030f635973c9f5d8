/** What every implementation of `RecordDatabase` promises: the laws of src/store/record-database.ts, as a suite. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { isQkdError } from "../../src/model/errors.ts";
import type { RecordDatabase, RecordOperation } from "../../src/store/record-database.ts";

export interface RecordDatabaseRig {
  /** Opens what there is; the first time it is empty. */
  open(): Promise<RecordDatabase>;
  /** Ends the use of what was opened last. */
  close(): Promise<void>;
  /** Lets the disk work until the promise settles. */
  settled<Value>(promise: Promise<Value>): Promise<Value>;
  /** What becomes of one who uses a database after its end: a refusal, or silence for a life that is over. */
  readonly afterClose: "refuses" | "silent";
  /** Removes everything. */
  dispose(): Promise<void>;
}

const put = (name: string, ...bytes: readonly number[]): RecordOperation => ({
  kind: "put",
  name,
  value: Uint8Array.from(bytes),
});
const drop = (name: string): RecordOperation => ({ kind: "delete", name });

export function describeRecordDatabase(name: string, openRig: () => Promise<RecordDatabaseRig>): void {
  describe(`record database: ${name}`, () => {
    let rig: RecordDatabaseRig;
    let database: RecordDatabase;

    beforeEach(async () => {
      rig = await openRig();
      database = await rig.open();
    });
    afterEach(async () => {
      await rig.close();
      await rig.dispose();
    });

    const write = (...operations: readonly RecordOperation[]): Promise<void> => rig.settled(database.write(operations));
    const read = async (recordName: string): Promise<readonly number[] | undefined> => {
      const value = await rig.settled(database.get(recordName));
      return value === undefined ? undefined : [...value];
    };
    const all = (prefix: string): Promise<readonly (readonly [string, ...number[]])[]> =>
      rig.settled(allOf(database, prefix));
    const reopen = async (): Promise<void> => {
      await rig.close();
      database = await rig.open();
    };

    it("a record is there as soon as its write is done, and after a reopening", async () => {
      await write(put("a", 1, 2, 3));
      assert.deepEqual(await read("a"), [1, 2, 3]);
      await reopen();
      assert.deepEqual(await read("a"), [1, 2, 3]);
    });

    it("a record that was never written, or was deleted, is undefined", async () => {
      await write(put("a", 1), put("b", 2));
      await write(drop("a"), drop("never there"));
      assert.equal(await read("a"), undefined);
      assert.equal(await read("c"), undefined);
      await reopen();
      assert.equal(await read("a"), undefined);
      assert.deepEqual(await read("b"), [2]);
    });

    it("records come in order of their names, and only those with the prefix", async () => {
      await write(put("s/02", 2), put("s/10", 10), put("s", 0), put("s/01", 1), put("t/01", 3), put("r~", 4));
      const names = async (prefix: string): Promise<readonly string[]> => (await all(prefix)).map(([each]) => each);
      assert.deepEqual(await names("s/"), ["s/01", "s/02", "s/10"]);
      assert.deepEqual(await names(""), ["r~", "s", "s/01", "s/02", "s/10", "t/01"]);
      assert.deepEqual(await names("x"), []);
      assert.deepEqual(await all("t"), [["t/01", 3]]);
    });

    it("operations of one write take effect in their order", async () => {
      await write(put("a", 1), drop("a"), put("b", 1), put("b", 2), drop("c"), put("c", 3));
      assert.deepEqual(await all(""), [
        ["b", 2],
        ["c", 3],
      ]);
    });

    it("writes that are not awaited take effect in their order", async () => {
      await rig.settled(
        Promise.all(Array.from({ length: 50 }, (_, number) => database.write([put("counter", number)]))),
      );
      assert.deepEqual(await read("counter"), [49]);
    });

    it("a write of nothing is done at once", async () => {
      await write();
      assert.deepEqual(await all(""), []);
    });

    it("values may be empty, and large", async () => {
      const large = Uint8Array.from({ length: 1_000_000 }, (_, at) => at % 251);
      await write(put("empty"), { kind: "put", name: "large", value: large });
      await reopen();
      assert.deepEqual(await read("empty"), []);
      assert.deepEqual(await rig.settled(database.get("large")).then((value) => value?.length), 1_000_000);
      assert.ok(Buffer.from(large).equals((await rig.settled(database.get("large")))!));
    });

    it("the bytes of a write are taken at the call", async () => {
      const value = Uint8Array.of(7, 7);
      const written = database.write([{ kind: "put", name: "a", value }]);
      value.fill(0);
      await rig.settled(written);
      assert.deepEqual(await read("a"), [7, 7]);
    });

    it("the bytes that were read belong to the reader", async () => {
      await write(put("a", 5));
      const [first] = [await rig.settled(database.get("a"))];
      first!.fill(0);
      for await (const [, value] of database.records("a")) value.fill(0);
      assert.deepEqual(await read("a"), [5]);
    });

    it("who reads records sees those of the moment when it began", async () => {
      await write(put("a", 1), put("b", 2), put("c", 3));
      const seen: string[] = [];
      for await (const [each] of database.records("")) {
        if (seen.length === 0) await write(drop("b"), put("d", 4));
        seen.push(each);
      }
      assert.deepEqual(seen, ["a", "b", "c"]);
    });

    it("who reads records may stop", async () => {
      await write(put("a", 1), put("b", 2));
      for await (const [each] of database.records("")) if (each === "a") break;
      await write(put("c", 3));
      assert.deepEqual(await read("c"), [3]);
    });

    it("nothing is written or read after the end", async () => {
      await write(put("a", 1));
      const former = database;
      await rig.close();
      const late = [former.write([put("a", 2)]), former.get("a"), allOf(former, "")];
      if (rig.afterClose === "refuses") {
        for (const each of late) {
          await assert.rejects(rig.settled<unknown>(each), (failure) => isQkdError(failure, "STORE_FAILED"));
        }
      }
      database = await rig.open();
      assert.deepEqual(await read("a"), [1]);
    });
  });
}

async function allOf(database: RecordDatabase, prefix: string): Promise<readonly (readonly [string, ...number[]])[]> {
  const found: (readonly [string, ...number[]])[] = [];
  for await (const [name, value] of database.records(prefix)) found.push([name, ...value]);
  return found;
}
