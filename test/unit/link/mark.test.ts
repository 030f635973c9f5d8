import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { judgeMark, makeMark } from "../../../src/link/mark.ts";
import type { KeyVault } from "../../../src/store/key-vault.ts";
import { createVaultBench, type VaultBench } from "../store/vault-bench.ts";

async function write(bench: VaultBench, vault: KeyVault, times: number): Promise<void> {
  for (let i = 0; i < times; i++) await bench.rig.settled(vault.commit(vault.transaction().put("room/x", i)));
}

describe("a mark that a neighbour gives back", () => {
  it("is consistent in the life that made it and in every later one", async () => {
    const bench = createVaultBench("later");
    let vault = await bench.open();
    await write(bench, vault, 3);
    const mark = makeMark(vault);
    assert.equal(judgeMark(vault, mark).kind, "consistent");
    vault = await bench.open();
    assert.equal(judgeMark(vault, mark).kind, "consistent");
    vault = await bench.open();
    await write(bench, vault, 2);
    assert.equal(judgeMark(vault, mark).kind, "consistent");
    assert.equal(judgeMark(vault, new Uint8Array(0)).kind, "none");
  });

  it("that another store made, or that was altered in any bit, says nothing about our disk", async () => {
    const bench = createVaultBench("ours");
    const vault = await bench.open();
    const theirs = createVaultBench("theirs");
    assert.equal(judgeMark(vault, makeMark(await theirs.open())).kind, "not-ours");
    const mark = makeMark(vault);
    for (let bit = 0; bit < 8 * mark.length; bit++) {
      const altered = mark.slice();
      altered[bit >> 3]! ^= 1 << (bit & 7);
      assert.equal(judgeMark(vault, altered).kind, "not-ours", `bit ${bit}`);
    }
    for (let length = 1; length < mark.length; length++) {
      assert.equal(judgeMark(vault, mark.subarray(0, length)).kind, "not-ours");
    }
  });

  /** A disk restored from a copy that was taken before the mark was given. */
  async function restored(seed: string): Promise<{ bench: VaultBench; mark: Uint8Array }> {
    const bench = createVaultBench(seed);
    const vault = await bench.open();
    const copy = bench.rig.disk.snapshot();
    await write(bench, vault, 5);
    const mark = makeMark(vault);
    bench.rig.life.kill();
    bench.rig.disk.restore(copy, { withNv: true });
    return { bench, mark };
  }

  it("proves a rollback when it is ahead of the disk that this life began with", async () => {
    const { bench, mark } = await restored("rolled");
    const vault = await bench.open();
    await write(bench, vault, 20); // what was written since does not hide it
    const judgement = judgeMark(vault, mark);
    assert.deepEqual(judgement, { kind: "rolled-back", journalSeen: 6, journalOnDisk: 1 });
  });

  it("proves a rollback also when the restored disk has lived once more, alone, before anyone gave the mark back", async () => {
    const { bench, mark } = await restored("hidden");
    await write(bench, await bench.open(), 20);
    const vault = await bench.open();
    assert.equal(judgeMark(vault, mark).kind, "rolled-back");
  });
});
