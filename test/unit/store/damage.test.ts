import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isQkdError, type ErrorCode } from "../../../src/model/errors.ts";
import type { SealedChunk } from "../../../src/store/transaction.ts";
import { createVaultBench, type VaultBench } from "./vault-bench.ts";
import type { DiskSnapshot } from "../../fakes/sim-disk.ts";

/** A store with some groups written, and how to bend its disk before the next start. */
async function stored(seed: string): Promise<{ bench: VaultBench; disk: DiskSnapshot; sealed: SealedChunk }> {
  const bench = createVaultBench(seed);
  const vault = await bench.open();
  let sealed: SealedChunk | undefined;
  for (let i = 0; i < 6; i++) {
    const transaction = vault.transaction();
    sealed = transaction.seal([new Uint8Array(40).fill(i)]);
    transaction.put(`room/${i}`, { ...sealed }).move({ owner: "o", from: "received", to: "stock", bytes: 40 });
    await bench.rig.settled(vault.commit(transaction));
  }
  bench.rig.life.kill();
  return { bench, disk: bench.rig.disk.snapshot(), sealed: sealed! };
}

async function openRefuses(bench: VaultBench, disk: DiskSnapshot, code: ErrorCode, what: RegExp): Promise<void> {
  bench.rig.life.kill();
  bench.rig.disk.restore(disk, { withNv: true });
  const opened = bench.open().then(async (vault) => {
    for (const [name] of await vault.records("room/")) assert.ok(name);
  });
  await assert.rejects(opened, (failure) => {
    assert.ok(isQkdError(failure, code), String(failure));
    assert.match(failure.message, what);
    return true;
  });
}

const flipped = (bytes: Uint8Array, bit: number): Uint8Array => {
  const copy = bytes.slice();
  copy[bit >> 3]! ^= 1 << (bit & 7);
  return copy;
};

describe("a damaged store", () => {
  it("is refused for a flipped bit in any record, wherever it is", async () => {
    const { bench, disk } = await stored("bits");
    for (const name of ["meta", "ledger/o", "journal/0003", "room/2"]) {
      const record = disk.records.get(name)!;
      for (let bit = 0; bit < 8 * record.length; bit += 37) {
        const records = new Map(disk.records).set(name, flipped(record, bit));
        await openRefuses(bench, { ...disk, records }, "STORE_DAMAGED", /does not verify|no readable name/);
      }
    }
  });

  it("does not take one record for another", async () => {
    const { bench, disk } = await stored("swap");
    const records = new Map(disk.records).set("room/2", disk.records.get("room/3")!);
    await openRefuses(bench, { ...disk, records }, "STORE_DAMAGED", /room\/2 does not verify/);
  });

  it("with a hole in its journal is refused, and the remedy is told", async () => {
    const { bench, disk } = await stored("hole");
    const records = new Map(disk.records);
    assert.ok(records.delete("journal/0004"));
    await openRefuses(bench, { ...disk, records }, "STORE_DAMAGED", /lacks write 4 of 7/);
  });

  it("that lost its first record keeps its key bag: nothing is erased for a store that is no new one", async () => {
    const { bench, disk } = await stored("meta");
    const records = new Map(disk.records);
    assert.ok(records.delete("meta"));
    await openRefuses(bench, { ...disk, records }, "STORE_DAMAGED", /./);
    assert.deepEqual(bench.rig.disk.keyBagBytes(), disk.keyBag);
    assert.deepEqual(bench.rig.disk.nvBytes(), disk.nv);
  });

  it("a flipped bit in a chunk is found when it is read, and the other chunks stay good", async () => {
    const { bench, disk, sealed } = await stored("chunk");
    const name = `chunk/${sealed.chunk}`;
    const record = disk.records.get(name)!;
    for (let bit = 8; bit < 8 * record.length; bit += 29) {
      bench.rig.life.kill();
      bench.rig.disk.restore(
        { ...disk, records: new Map(disk.records).set(name, flipped(record, bit)) },
        { withNv: true },
      );
      const vault = await bench.open();
      await assert.rejects(vault.read(sealed), (failure) => isQkdError(failure, "STORE_DAMAGED"));
      const [, other] = (await vault.records("room/1"))[0]!;
      using material = await vault.read(other as unknown as SealedChunk);
      assert.equal(material.lengthBytes, 40);
    }
  });

  it("a flipped bit in the key bag is found: in its header at start, in a slot when its chunk is read", async () => {
    const { bench, disk, sealed } = await stored("bag");
    for (const bit of [0, 33, 8 * 8, 8 * 20 + 5]) {
      await openRefuses(
        bench,
        { ...disk, keyBag: flipped(disk.keyBag, bit) },
        bit === 33 ? "VERSION_MISMATCH" : "STORE_DAMAGED",
        /./,
      );
    }
    const slot = Buffer.from(disk.keyBag).indexOf(Buffer.from(sealed.chunk, "hex"), 72);
    for (let bit = 8 * slot; bit < 8 * (slot + 68); bit += 13) {
      bench.rig.life.kill();
      bench.rig.disk.restore({ ...disk, keyBag: flipped(disk.keyBag, bit) }, { withNv: true });
      const vault = await bench.open();
      await assert.rejects(vault.read(sealed), (failure) => isQkdError(failure, "STORE_DAMAGED"));
    }
  });

  it("a key bag or an nv file that is cut short, missing or another store's is refused as damage", async () => {
    const { bench, disk } = await stored("cut");
    const other = await stored("other");
    for (const length of [1, 10, 71]) {
      await openRefuses(bench, { ...disk, keyBag: disk.keyBag.slice(0, length) }, "STORE_DAMAGED", /key bag/);
    }
    await openRefuses(bench, { ...disk, keyBag: other.disk.keyBag }, "STORE_DAMAGED", /another store/);
    for (const length of [0, 4, 7, 10, 20]) {
      await openRefuses(bench, { ...disk, nv: disk.nv.slice(0, length) }, "STORE_DAMAGED", /nv file/);
    }
    const elsewhere = disk.nv.slice();
    elsewhere[11]! ^= 1; // of another wrap epoch
    await openRefuses(bench, { ...disk, nv: elsewhere }, "STORE_DAMAGED", /wrap epoch/);
  });

  it("of another version is refused with both versions named", async () => {
    const { bench, disk } = await stored("version");
    const bag = disk.keyBag.slice();
    bag[5] = 2;
    await openRefuses(bench, { ...disk, keyBag: bag }, "VERSION_MISMATCH", /format 2, this daemon knows 1/);
    const nv = disk.nv.slice();
    nv[5] = 2;
    await openRefuses(bench, { ...disk, nv }, "VERSION_MISMATCH", /format 2, this daemon knows 1/);
  });
});
