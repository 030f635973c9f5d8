import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isQkdError } from "../../../src/model/errors.ts";
import type { KeyVault } from "../../../src/store/key-vault.ts";
import { runRewraps } from "../../../src/store/rewrap-schedule.ts";
import type { SealedChunk } from "../../../src/store/transaction.ts";
import { createVaultBench, type VaultBench } from "./vault-bench.ts";

const FOREVER = new AbortController().signal;
const LENGTH = 40;
const fails = (failure: unknown): boolean => isQkdError(failure, "STORE_DAMAGED");

async function seal(vault: KeyVault, count: number): Promise<SealedChunk[]> {
  const transaction = vault.transaction();
  const sealed = Array.from({ length: count }, (_, i) => transaction.seal([new Uint8Array(LENGTH).fill(i + 1)]));
  sealed.forEach((chunk) => transaction.put(`room/${chunk.chunk}`, { ...chunk }));
  await vault.commit(transaction);
  return sealed;
}

async function readsAll(vault: KeyVault, chunks: readonly SealedChunk[]): Promise<void> {
  for (const chunk of chunks) {
    using material = await vault.read(chunk);
    assert.equal(material.lengthBytes, LENGTH);
  }
}

const destroy = (vault: KeyVault, { chunk }: SealedChunk): Promise<void> =>
  vault.commit(vault.transaction().destroy([chunk]).delete(`room/${chunk}`));

describe("a re-wrap of the key bag", () => {
  it("leaves every chunk readable, then and after a restart, and an earlier copy of the disk worthless", async () => {
    const bench = createVaultBench("rewrap");
    const vault = await bench.open();
    const [gone, ...kept] = await bench.rig.settled(seal(vault, 300));
    const copy = bench.rig.disk.snapshot();
    await bench.rig.settled(destroy(vault, gone!));
    await bench.rig.settled(vault.rewrap(FOREVER));
    await readsAll(vault, kept);
    await readsAll(await bench.open(), kept);
    bench.rig.life.kill();
    bench.rig.disk.restore(copy); // all of it, but for nv
    await assert.rejects(bench.open(), /wrap epoch 1 of the key bag: the data folder is an older copy/);
  });

  it("takes in what is sealed, and leaves out what is destroyed, while it is prepared", async () => {
    const bench = createVaultBench("meanwhile");
    const vault = await bench.open();
    const first = await bench.rig.settled(seal(vault, 400));
    const rewrap = vault.rewrap(FOREVER);
    const [late] = await bench.rig.settled(Promise.all([seal(vault, 3), destroy(vault, first[0]!)]));
    await bench.rig.settled(rewrap);
    const later = await bench.rig.settled(seal(vault, 5));
    await bench.rig.settled(destroy(vault, first[399]!));
    const check = async (life: KeyVault): Promise<void> => {
      await readsAll(life, [...first.slice(1, 399), ...late, ...later]);
      for (const gone of [first[0]!, first[399]!]) await assert.rejects(life.read(gone), fails);
    };
    await check(vault);
    await check(await bench.open());
    assert.equal(bench.rig.disk.keyBagBytes().length, 72 * (1 + 398 + 3 + 5 + 1), "no more slots than there were");
  });

  for (const mode of ["before", "after", "torn"] as const) {
    it(`interrupted by a crash at any of its writes (${mode}) loses nothing, and the next start ends it`, async () => {
      for (let number = 1; number <= 3; number++) {
        for (const luck of ["x", "y", "z"]) {
          const bench = createVaultBench(`crash ${mode} ${luck}`);
          const vault = await bench.open();
          const [gone, ...kept] = await bench.rig.settled(seal(vault, 4));
          const copy = bench.rig.disk.snapshot();
          await bench.rig.settled(destroy(vault, gone!));
          bench.rig.disk.crashAt(number, mode);
          void vault.rewrap(FOREVER);
          await bench.rig.clock.runUntil(() => !bench.rig.life.alive, 10_000);
          assert.equal(bench.rig.life.alive, false);
          const next = await bench.open();
          await readsAll(next, kept);
          await assert.rejects(next.read(gone!), fails);
          assert.equal(bench.rig.disk.nvBytes().length, 44, "one nv, that of the present wrapping");
          await bench.rig.settled(next.rewrap(FOREVER));
          bench.rig.life.kill();
          bench.rig.disk.restore(copy);
          await assert.rejects(bench.open(), fails);
        }
      }
    });
  }

  it("says which data keys were damaged, and keeps all others", async () => {
    const bench = createVaultBench("damaged");
    const sealed = await bench.rig.settled(seal(await bench.open(), 3));
    const disk = bench.rig.disk.snapshot();
    disk.keyBag[Buffer.from(disk.keyBag).indexOf(Buffer.from(sealed[1]!.chunk, "hex"), 72) + 30]! ^= 1;
    bench.rig.life.kill();
    bench.rig.disk.restore(disk);
    const vault = await bench.open();
    await bench.rig.settled(vault.rewrap(FOREVER));
    await readsAll(vault, [sealed[0]!, sealed[2]!]);
    await assert.rejects(vault.read(sealed[1]!), fails);
  });

  it("is done at the start, each period, and sooner once many data keys were destroyed", async () => {
    const bench = createVaultBench("schedule");
    const vault = await bench.open();
    const { clock } = bench.rig.life;
    const parts = { vault, clock, usedInPart: [] };
    const stop = new AbortController();
    const running = runRewraps(parts, { periodMs: 600_000 }, stop.signal).catch(() => undefined);
    const epochAfter = async (ms: number): Promise<number> => {
      await bench.rig.clock.run(ms);
      return vault.wrapping.epoch;
    };
    assert.equal(await epochAfter(1_000), 2);
    assert.equal(await epochAfter(500_000), 2);
    assert.equal(await epochAfter(110_000), 3);
    const many = await bench.rig.settled(seal(vault, 64));
    await bench.rig.settled(vault.commit(vault.transaction().destroy(many.map(({ chunk }) => chunk))));
    assert.equal(await epochAfter(70_000), 4);
    stop.abort();
    await running;
  });
});

describe("an ephemeral sealing key", () => {
  const ephemeral = { ephemeral: true };
  const held = (bench: VaultBench): number => bench.rig.disk.keyBagBytes().length / 72 - 1;

  it("ends with its process: the next one reads nothing of what was there, and stores anew", async () => {
    const bench = createVaultBench("ephemeral");
    const vault = await bench.open(undefined, ephemeral);
    const sealed = await bench.rig.settled(seal(vault, 3));
    await readsAll(vault, sealed);
    await bench.rig.settled(vault.rewrap(FOREVER));
    await readsAll(vault, sealed);
    assert.equal(bench.rig.disk.nvBytes().length, 0);
    const next = await bench.open(undefined, ephemeral);
    for (const { chunk } of sealed) assert.equal(next.claim(chunk), false);
    assert.equal(held(bench), 0);
    await readsAll(next, await bench.rig.settled(seal(next, 2)));
  });

  it("burns what a persistent one sealed, and the other way round", async () => {
    const bench = createVaultBench("switch");
    const [one] = await bench.rig.settled(seal(await bench.open(), 1));
    const second = await bench.open(undefined, ephemeral);
    assert.equal(second.claim(one!.chunk), false);
    const [other] = await bench.rig.settled(seal(second, 1));
    const third = await bench.open();
    assert.equal(third.claim(other!.chunk), false);
    const [last] = await bench.rig.settled(seal(third, 1));
    await readsAll(await bench.open(), [last!]);
  });
});
