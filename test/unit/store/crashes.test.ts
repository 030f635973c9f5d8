import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ChunkName } from "../../../src/store/key-bag.ts";
import type { KeyVault } from "../../../src/store/key-vault.ts";
import type { SealedChunk } from "../../../src/store/transaction.ts";
import { createVaultBench, type VaultBench } from "./vault-bench.ts";

const LINK = "link/a--b";
const BYTES = 48;

/** What the work was told to be durable: what a crash must not take back. */
interface Told {
  readonly stored: Set<string>;
  readonly gone: Map<string, SealedChunk>;
  /** Asked for, and not told yet. */
  asked: string;
}

/** Stores three chunks a transaction, moves on to destroy each second one; every transaction moves the ledger. */
async function work(vault: KeyVault, told: Told): Promise<void> {
  for (let round = 0; round < 4; round++) {
    const transaction = vault.transaction();
    const chunks = [0, 1, 2].map(() => transaction.seal([new Uint8Array(BYTES).fill(round + 1)]));
    transaction.put(`room/${round}`, { chunks: chunks.map((chunk) => ({ ...chunk })) });
    transaction.move({ owner: LINK, from: "received", to: "stock", bytes: 3 * BYTES });
    told.asked = `room/${round}`;
    await vault.commit(transaction);
    told.stored.add(`room/${round}`);

    const opening = vault.transaction().destroy([chunks[0]!.chunk]);
    opening.put(`room/${round}`, { chunks: chunks.slice(1).map((chunk) => ({ ...chunk })) });
    opening.move({ owner: LINK, from: "stock", to: "open", bytes: BYTES });
    await vault.commit(opening);
    told.gone.set(chunks[0]!.chunk, chunks[0]!);
  }
}

const newTold = (): Told => ({ stored: new Set(), gone: new Map(), asked: "" });

async function checkAfterCrash(bench: VaultBench, told: Told): Promise<void> {
  const vault = await bench.open();
  const records = await vault.records("room/");
  const names = new Set(records.map(([name]) => name));
  for (const name of told.stored) assert.ok(names.has(name), `${name} was told to be durable`);
  for (const name of names) assert.ok(told.stored.has(name) || name === told.asked, `${name} was never asked for`);
  const held = new Set<ChunkName>();
  for (const [, value] of records) {
    for (const chunk of (value as unknown as { chunks: SealedChunk[] }).chunks) {
      assert.ok(
        vault.claim(chunk.chunk),
        "a record names only chunks that can be read: all of a transaction or nothing",
      );
      using material = await vault.read(chunk);
      assert.equal(material.lengthBytes, BYTES);
      held.add(chunk.chunk);
    }
  }
  await bench.rig.settled(vault.sweepUnclaimed());
  const bag = Buffer.from(bench.rig.disk.keyBagBytes());
  for (const chunk of told.gone.keys())
    assert.ok(!bag.includes(Buffer.from(chunk, "hex"), 72), `${chunk} left its data key`);
  const slots = Array.from({ length: Math.floor(bag.length / 72) - 1 }, (_, i) =>
    bag.subarray(72 * (i + 1), 72 * (i + 2)),
  );
  const full = slots.filter((slot) => slot.some((byte) => byte !== 0)).length;
  assert.equal(full, held.size, "data keys that no record names are destroyed");
  const balances = vault.ledger.balances(LINK);
  assert.equal(vault.ledger.imbalance(LINK), 0);
  assert.equal(balances.stock, held.size * BYTES, "ledger and records tell the same story");
}

async function writesOf(seed: string): Promise<number> {
  const bench = createVaultBench(seed);
  assert.ok(await bench.survives((vault) => work(vault, newTold())));
  return bench.rig.disk.writes;
}

describe("a crash at any durable write", () => {
  for (const mode of ["before", "after", "torn"] as const) {
    it(`(${mode}) loses nothing that was told to be durable, and brings nothing back that was destroyed`, async () => {
      const writes = await writesOf("crash");
      assert.ok(writes > 15);
      for (let number = 1; number <= writes; number++) {
        for (const luck of mode === "torn" ? ["x", "y", "z"] : ["x"]) {
          const bench = createVaultBench(`crash ${luck}`);
          const told = newTold();
          bench.rig.disk.crashAt(number, mode);
          const done = await bench.survives((vault) => work(vault, told));
          assert.ok(!done, `write ${number} kills`);
          await checkAfterCrash(bench, told);
        }
      }
    });
  }

  it("during the very first start leaves a store that opens, as a new one or as the same", async () => {
    for (let number = 1; number <= 3; number++) {
      for (const mode of ["before", "after", "torn"] as const) {
        const bench = createVaultBench(`first ${mode}`);
        bench.rig.disk.crashAt(number, mode);
        assert.equal(await bench.survives(() => Promise.resolve()), false);
        const told = newTold();
        const vault = await bench.open();
        await bench.rig.settled(work(vault, told));
        await checkAfterCrash(bench, told);
      }
    }
  });

  it("again and again, during recovery as well, still leaves all that was told", async () => {
    const bench = createVaultBench("again");
    const told = newTold();
    assert.ok(await bench.survives((vault) => work(vault, told)));
    for (let life = 0; life < 8; life++) {
      bench.rig.disk.crashAt(1, (["before", "torn", "after"] as const)[life % 3]!);
      assert.equal(await bench.survives(() => Promise.resolve()), false);
    }
    await checkAfterCrash(bench, told);
  });
});
