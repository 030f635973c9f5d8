import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isQkdError } from "../../../src/model/errors.ts";
import type { ChunkName } from "../../../src/store/key-bag.ts";
import type { KeyVault } from "../../../src/store/key-vault.ts";
import type { SealedChunk } from "../../../src/store/transaction.ts";
import { createVaultBench, type VaultBench } from "./vault-bench.ts";

const SECRET = new Uint8Array(100).fill(0x5a);

async function seal(vault: KeyVault, name: string, bytes = SECRET): Promise<SealedChunk> {
  const transaction = vault.transaction();
  const sealed = transaction.seal([bytes]);
  transaction.put(`room/${name}`, { ...sealed }).move({
    owner: "link/a--b",
    from: "received",
    to: "stock",
    bytes: bytes.length,
  });
  await vault.commit(transaction);
  return sealed;
}

async function sealedIn(bench: VaultBench, name: string): Promise<SealedChunk> {
  return bench.rig.settled(seal(await bench.open(), name));
}

describe("the store", () => {
  it("gives back after a restart what was committed, and a later epoch", async () => {
    const bench = createVaultBench(1);
    const first = await bench.open();
    const sealed = await bench.rig.settled(seal(first, "one"));
    const second = await bench.open();
    assert.equal(second.storeId, first.storeId);
    assert.ok(second.epoch > first.epoch);
    assert.equal(second.journalAtStart, first.journal);
    assert.deepEqual(await second.records("room/"), [["room/one", { ...sealed }]]);
    assert.ok(second.claim(sealed.chunk));
    using material = await second.read(sealed);
    assert.deepEqual(
      material.expose((bytes) => bytes.slice()),
      SECRET,
    );
    assert.equal(second.ledger.balances("link/a--b").stock, 100);
  });

  it("writes transactions that wait together as one group", async () => {
    const bench = createVaultBench(2);
    const vault = await bench.open();
    const [journal, writes] = [vault.journal, bench.rig.disk.writes];
    await bench.rig.settled(Promise.all(Array.from({ length: 50 }, (_, i) => seal(vault, `r${i}`))));
    assert.ok(vault.journal - journal <= 2, `${vault.journal - journal} groups`);
    assert.ok(bench.rig.disk.writes - writes <= 4);
    assert.equal((await vault.records("room/")).length, 50);
  });

  it("never gives a chunk again once a committed transaction destroyed it, not even to who has the whole disk", async () => {
    const bench = createVaultBench(3);
    const vault = await bench.open();
    const sealed = await bench.rig.settled(seal(vault, "one"));
    const before = bench.rig.disk.snapshot();
    const { offset } = slotOf(before.keyBag, sealed.chunk);
    await bench.rig.settled(vault.commit(vault.transaction().destroy([sealed.chunk])));
    await assert.rejects(vault.read(sealed), (failure) => isQkdError(failure, "STORE_DAMAGED"));
    const image = bench.rig.disk.keyBagBytes();
    assert.deepEqual(
      image.slice(offset, offset + 72),
      new Uint8Array(72),
      "the slot is overwritten, not only unlinked",
    );
    const wrapped = Buffer.from(before.keyBag.slice(offset + 20, offset + 52));
    assert.equal(Buffer.from(image).indexOf(wrapped), -1);
    // LevelDB does not erase: the sealed record may still be there, and is worth nothing
    bench.rig.life.kill();
    bench.rig.disk.restore({ ...before, keyBag: image });
    const restored = await bench.open();
    assert.equal(restored.claim(sealed.chunk), false);
    await assert.rejects(restored.read(sealed), (failure) => isQkdError(failure, "STORE_DAMAGED"));
  });

  it("destroys at start the data keys that no record names, and no others", async () => {
    const bench = createVaultBench(4);
    const vault = await bench.open();
    const kept = await bench.rig.settled(seal(vault, "kept"));
    const orphan = await bench.rig.settled(seal(vault, "orphan"));
    const second = await bench.open();
    assert.ok(second.claim(kept.chunk));
    const young = await bench.rig.settled(seal(second, "young")); // by a room that is open already
    assert.equal(await bench.rig.settled(second.sweepUnclaimed()), 1);
    assert.deepEqual(
      [kept, orphan, young].map(({ chunk }) => slotIn(bench.rig.disk.keyBagBytes(), chunk)),
      [true, false, true],
    );
  });

  it("opens with its own root only, and says so", async () => {
    const bench = createVaultBench(5);
    await sealedIn(bench, "one");
    const before = bench.rig.disk.snapshot();
    await assert.rejects(bench.open(new Uint8Array(32).fill(1)), (failure) => {
      assert.ok(isQkdError(failure, "STORE_DAMAGED"));
      assert.match(failure.message, /root is another one/);
      return true;
    });
    assert.deepEqual(bench.rig.disk.snapshot(), before, "and changes nothing");
    await bench.open();
  });

  it("refuses every write after the first that failed, and tells once", async () => {
    const bench = createVaultBench(6);
    const vault = await bench.open();
    bench.rig.disk.failNextWrite(new Error("no space left on device"));
    const failed = (failure: unknown): boolean => isQkdError(failure, "STORE_FAILED");
    const attempts = ["a", "b", "c"].map((name) => assert.rejects(seal(vault, name), failed));
    await bench.rig.settled(Promise.all(attempts));
    const { writes } = bench.rig.disk;
    await bench.rig.settled(assert.rejects(seal(vault, "later"), failed));
    assert.equal(bench.rig.disk.writes, writes, "nothing more is written on this handle");
    assert.equal(bench.failures.length, 1);
    const second = await bench.open();
    assert.deepEqual(await second.records("room/"), []);
  });

  it("takes a chunk's bytes when it is sealed: who gave them may erase them at once", async () => {
    const bench = createVaultBench(7);
    const vault = await bench.open();
    const bytes = SECRET.slice();
    const transaction = vault.transaction();
    const sealed = transaction.seal([bytes.subarray(0, 30), bytes.subarray(30)]);
    bytes.fill(0);
    await bench.rig.settled(vault.commit(transaction));
    using material = await vault.read(sealed);
    assert.deepEqual(
      material.expose((found) => found.slice()),
      SECRET,
    );
  });

  it("keeps its ledger in whole bytes, and stops rather than move what is not there", async () => {
    const bench = createVaultBench(8);
    const vault = await bench.open();
    await bench.rig.settled(seal(vault, "one"));
    assert.throws(
      () => vault.ledger.move({ owner: "link/a--b", from: "stock", to: "pads", bytes: 101 }),
      /stock holds 100/,
    );
    assert.throws(() => vault.ledger.move({ owner: "link/a--b", from: "stock", to: "pads", bytes: -1 }), /whole bytes/);
    assert.throws(
      () => vault.ledger.move({ owner: "link/a--b", from: "stock", to: "pads", bytes: 0.5 }),
      /whole bytes/,
    );
    assert.equal(vault.ledger.imbalance("link/a--b"), 0);
  });
});

function slotOf(bag: Uint8Array, chunk: ChunkName): { offset: number } {
  const offset = Buffer.from(bag).indexOf(Buffer.from(chunk, "hex"), 72);
  assert.ok(offset > 0 && offset % 72 === 0);
  return { offset };
}

const slotIn = (bag: Uint8Array, chunk: ChunkName): boolean => Buffer.from(bag).includes(Buffer.from(chunk, "hex"), 72);
