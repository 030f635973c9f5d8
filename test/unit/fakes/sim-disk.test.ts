import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isQkdError } from "../../../src/model/errors.ts";
import type { SlotChange } from "../../../src/store/slot-file.ts";
import { openNodeLife } from "../../fakes/node-life.ts";
import { createDiskRig } from "../../fakes/sim-disk-rig.ts";
import type { CrashMode, MountedDisk } from "../../fakes/sim-mount.ts";

const record = (name: string) => ({ kind: "put", name, value: Uint8Array.of(1) }) as const;
const slots = (count: number): SlotChange[] =>
  Array.from({ length: count }, (_, at) => ({ offset: at, bytes: Uint8Array.of(1) }));

/** Writes one record after the other until the life ends; what it was told to be durable. */
function writeOn(mount: MountedDisk): string[] {
  const told: string[] = [];
  const write = async (): Promise<void> => {
    for (let number = 0; ; number++) {
      await mount.database.write([record(`r${number}`)]);
      told.push(`r${number}`);
    }
  };
  void write();
  return told;
}

const names = (count: number): string[] => Array.from({ length: count }, (_, at) => `r${at}`);

describe("simulated disk", () => {
  for (const [mode, durable] of [
    ["before", 4],
    ["after", 5],
  ] as const) {
    it(`a crash ${mode} the fifth write leaves ${durable} records, and the writer heard of four`, async () => {
      const rig = createDiskRig(mode);
      const told = writeOn(rig.mount());
      rig.disk.crashAt(5, mode);
      await rig.clock.run(1_000);
      assert.equal(rig.life.alive, false);
      assert.deepEqual(told, names(4));
      assert.deepEqual([...rig.disk.dump().keys()], names(durable));
      assert.equal(rig.disk.writes, 5);
    });
  }

  it("a torn write to the key bag leaves any part of its changes; a torn write of records all or none", async () => {
    const ones = new Set<number>();
    const records = new Set<number>();
    for (let seed = 0; seed < 40; seed++) {
      const rig = createDiskRig(seed);
      const { keyBag, database } = rig.mount();
      rig.disk.crashAt(1, "torn");
      void keyBag.overwrite(slots(8));
      await rig.clock.run(100);
      ones.add(rig.disk.keyBagBytes().reduce((sum, byte) => sum + byte, 0));

      const other = createDiskRig(seed);
      other.disk.crashAt(1, "torn");
      void other.mount().database.write([record("a"), record("b"), record("c")]);
      await other.clock.run(100);
      records.add(other.disk.dump().size);
      void database;
    }
    assert.ok(ones.size > 4, [...ones].join(" "));
    assert.deepEqual([...records].sort(), [0, 3]);
  });

  it("of the writes under way when a life is killed, a first part is there", async () => {
    const counts = new Set<number>();
    for (let seed = 0; seed < 40; seed++) {
      const rig = createDiskRig(seed);
      const { database } = rig.mount();
      let told = 0;
      for (const name of names(6)) void database.write([record(name)]).then(() => (told += 1));
      await rig.clock.run(0.1);
      rig.life.kill();
      await rig.clock.run(100);
      const found = [...rig.disk.dump().keys()];
      assert.deepEqual(found, names(found.length));
      assert.equal(told, 0);
      counts.add(found.length);
    }
    assert.deepEqual([...counts].sort(), [0, 1, 2, 3, 4, 5, 6]);
  });

  it("no write gets to the disk that waited behind one that did not", async () => {
    for (let seed = 0; seed < 20; seed++) {
      const rig = createDiskRig(seed);
      const { database } = rig.mount();
      rig.disk.crashAt(3, "before");
      for (const name of names(6)) void database.write([record(name)]);
      await rig.clock.run(100);
      assert.deepEqual([...rig.disk.dump().keys()], names(2));
    }
  });

  it("the next life finds what is durable, and the former one neither hears nor writes any more", async () => {
    const rig = createDiskRig("lives");
    const former = rig.mount();
    await rig.settled(former.database.write([record("a")]));
    assert.throws(
      () => rig.disk.mount(openNodeLife({ clock: rig.clock, node: "twin", number: 1 })),
      (failure) => isQkdError(failure, "STORE_LOCKED"),
    );
    const writing = former.keyBag.overwrite(slots(3));
    rig.disk.crashAt(1, "after");
    await rig.clock.run(10);
    const next = rig.mount();
    const heard: string[] = [];
    for (const [what, promise] of Object.entries({
      writing,
      reading: former.database.get("a"),
      loading: former.keyBag.load(),
      late: former.database.write([record("late")]),
    })) {
      void promise.finally(() => heard.push(what));
    }
    assert.deepEqual([...(await rig.settled(next.keyBag.load()))], [1, 1, 1]);
    assert.deepEqual([...(await rig.settled(next.database.get("a")))!], [1]);
    await rig.clock.run(1_000);
    assert.deepEqual(heard, []);
    assert.deepEqual([...rig.disk.dump().keys()], ["a"]);
  });

  it("a write that fails is told, and what the database takes after it is lost", async () => {
    const rig = createDiskRig("full");
    const { database } = rig.mount();
    rig.disk.failNextWrite(new Error("no space left"));
    await assert.rejects(rig.settled(database.write([record("a")])), (failure) => {
      assert.ok(isQkdError(failure, "STORE_FAILED"));
      assert.match(String(failure.cause), /no space left/);
      return true;
    });
    await rig.settled(database.write([record("b")]));
    rig.life.kill();
    await rig.settled(rig.mount().database.write([record("c")]));
    assert.deepEqual([...rig.disk.dump().keys()], ["c"]);
  });

  it("an order to crash can be taken back, and counts all media", async () => {
    const rig = createDiskRig("orders");
    const { database, keyBag, nv } = rig.mount();
    const written: string[] = [];
    rig.disk.onWrite((_, medium) => written.push(medium));
    rig.disk.crashAt(1, "before");
    rig.disk.doNotCrash();
    await rig.settled(database.write([record("a")]));
    rig.disk.crashAt(3, "before");
    await rig.settled(keyBag.replace(Uint8Array.of(1)));
    await rig.settled(nv.replace(Uint8Array.of(2)));
    void database.write([record("b")]);
    await rig.clock.run(10);
    assert.equal(rig.life.alive, false);
    assert.deepEqual(written, ["database", "key bag", "nv"]);
    assert.deepEqual([[...rig.disk.keyBagBytes()], [...rig.disk.nvBytes()]], [[1], [2]]);
  });

  it("a snapshot brings back records and key bag, and the nv file only when asked", async () => {
    const rig = createDiskRig("snapshot");
    const { database, keyBag, nv } = rig.mount();
    const writeAll = async (name: string, byte: number): Promise<void> => {
      await rig.settled(database.write([record(name)]));
      await rig.settled(keyBag.replace(Uint8Array.of(byte)));
      await rig.settled(nv.replace(Uint8Array.of(byte)));
    };
    await writeAll("a", 1);
    const snapshot = rig.disk.snapshot();
    await writeAll("b", 2);
    assert.throws(() => rig.disk.restore(snapshot), /nobody has it/);
    rig.life.kill();
    rig.disk.restore(snapshot);
    const restored = rig.mount();
    assert.equal(await rig.settled(restored.database.get("b")), undefined);
    assert.deepEqual([...(await rig.settled(restored.database.get("a")))!], [1]);
    assert.deepEqual([[...rig.disk.keyBagBytes()], [...rig.disk.nvBytes()]], [[1], [2]]);
    rig.life.kill();
    rig.disk.restore(snapshot, { withNv: true });
    assert.deepEqual([...rig.disk.nvBytes()], [1]);
  });

  it("every order of the same seed crashes in the same way", async () => {
    const hashes = new Set<string>();
    for (let run = 0; run < 3; run++) {
      const rig = createDiskRig("again");
      for (const mode of ["torn", "before", "after"] satisfies CrashMode[]) {
        writeOn(rig.mount());
        void rig.disk.crashAt(7, mode);
        await rig.clock.run(100);
        assert.equal(rig.life.alive, false);
      }
      hashes.add(rig.trace.hash());
    }
    assert.equal(hashes.size, 1);
  });
});
