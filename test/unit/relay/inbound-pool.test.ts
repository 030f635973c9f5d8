import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { isQkdError } from "../../../src/model/errors.ts";
import { segmentName, type SegmentName } from "../../../src/model/ids.ts";
import type { ChunkName } from "../../../src/store/key-bag.ts";
import { createVaultBench } from "../store/vault-bench.ts";
import { establish, openInbound, openPoolEnds, segmentBytes, type PoolEnds } from "./pool-bench.ts";

const EPOCH = 7;

async function open(lengths: readonly number[]): Promise<PoolEnds["to"] & { names: SegmentName[] }> {
  const { to } = await openPoolEnds();
  const names = lengths.length > 0 ? await establish({ inbound: to.pool, epoch: EPOCH }, lengths) : [];
  return { ...to, names };
}

const range = (segment: SegmentName, offsetBytes: number, lengthBytes: number) => ({
  segment,
  offsetBytes,
  lengthBytes,
});
async function sealedAs(vault: PoolEnds["to"]["vault"], name: SegmentName): Promise<{ readonly chunk: ChunkName }> {
  const found = (await vault.records("inbound/")).find(([record]) => record.endsWith(`segment/${name}`));
  return found![1] as unknown as { readonly chunk: ChunkName };
}
const unknown = (failure: unknown): boolean => isQkdError(failure, "KEY_UNKNOWN");

describe("the target's end of a pool", () => {
  it("gives the bytes of a range, in any order, once", async () => {
    const { pool, names } = await open([96]);
    const [two, one] = await pool.claim([range(names[0]!, 64, 32), range(names[0]!, 0, 32)]);
    const whole = segmentBytes(names[0]!, 96);
    assert.deepEqual(
      two!.expose((bytes) => bytes.slice()),
      whole.subarray(64),
    );
    assert.deepEqual(
      one!.expose((bytes) => bytes.slice()),
      whole.subarray(0, 32),
    );
    await assert.rejects(pool.claim([range(names[0]!, 0, 32)]), unknown);
    await assert.rejects(pool.claim([range(names[0]!, 60, 8)]), unknown, "not a byte of them again");
    assert.equal((await pool.claim([range(names[0]!, 32, 32)])).length, 1);
  });

  it("gives all ranges of a request or none: one that is unknown, spent or doubled spends nothing", async () => {
    const { pool, names, vault } = await open([96, 96]);
    const good = range(names[0]!, 0, 32);
    for (const bad of [
      range(segmentName(EPOCH, 99), 0, 32),
      range(names[1]!, 80, 32),
      range(names[1]!, 0, 0),
      range(names[0]!, 0, 32),
      range(names[0]!, 31, 32),
    ]) {
      await assert.rejects(pool.claim([good, bad]), unknown);
    }
    assert.equal(vault.ledger.balances(pool.ledger).supplied, 0);
    assert.equal((await pool.claim([good])).length, 1);
  });

  it("seals anew what was supplied in part: from then on the disk holds zeros there, and the rest is supplied as before", async () => {
    const { pool, names, vault, store } = await open([96, 96]);
    await pool.claim([range(names[0]!, 16, 32)]);
    const before = await sealedAs(vault, names[0]!);
    const [untouched] = [await sealedAs(vault, names[1]!)];
    await pool.sealUsedAnew();
    const after = await sealedAs(vault, names[0]!);
    await assert.rejects(vault.read({ ...before, lengthBytes: 96 }), (failure) => isQkdError(failure, "STORE_DAMAGED"));
    assert.deepEqual(await sealedAs(vault, names[1]!), untouched);
    using material = await vault.read({ ...after, lengthBytes: 96 });
    const expected = segmentBytes(names[0]!, 96);
    expected.fill(0, 16, 48);
    assert.deepEqual(
      material.expose((bytes) => bytes.slice()),
      expected,
    );
    const recovered = await openInbound(await store.open(), store.clock);
    await assert.rejects(recovered.claim([range(names[0]!, 16, 32)]), unknown);
    assert.equal((await recovered.claim([range(names[0]!, 48, 48)])).length, 1);
  });

  it("supplies at once with being sealed anew", async () => {
    const { pool, names } = await open([96, 96]);
    await pool.claim(names.map((name) => range(name, 0, 32)));
    pool.close(); // nothing in the cache: a claim reads from the disk too
    const [keys] = await Promise.all([pool.claim(names.map((name) => range(name, 32, 32))), pool.sealUsedAnew()]);
    keys.forEach((key, i) =>
      assert.deepEqual(
        key.expose((bytes) => bytes.slice()),
        segmentBytes(names[i]!, 96).subarray(32, 64),
      ),
    );
    await assert.rejects(pool.claim([range(names[1]!, 40, 8)]), unknown);
  });

  it("of many requests at once for the same range exactly one is served", async () => {
    const { pool, names } = await open([96]);
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => pool.claim([range(names[0]!, 0, 32)])));
    assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
    for (const result of results) if (result.status === "rejected") assert.ok(unknown(result.reason));
  });

  it("serves all of many requests at once that each span many segments", async () => {
    const { pool, names } = await open(Array.from({ length: 30 }, () => 32));
    const requests = [0, 10, 20].map((from) => names.slice(from, from + 10).map((name) => range(name, 0, 16)));
    const served = await Promise.all(requests.map((ranges) => pool.claim(ranges)));
    assert.deepEqual(
      served.map(({ length }) => length),
      [10, 10, 10],
    );
  });

  it("no byte is given twice, under any requests at once, also after a restart", async () => {
    const ranges = fc.array(fc.tuple(fc.nat(1), fc.nat(60), fc.integer({ min: 1, max: 20 })), {
      minLength: 1,
      maxLength: 3,
    });
    await fc.assert(
      fc.asyncProperty(fc.array(ranges, { maxLength: 10 }), async (requests) => {
        const { store, names, ...first } = await open([64, 64]);
        let pool = first.pool;
        const taken = new Set<string>();
        for (const half of [requests.slice(0, 5), requests.slice(5)]) {
          const asked = half.map((list) => list.map(([i, at, length]) => range(names[i]!, at, length)));
          const results = await Promise.allSettled(asked.map((list) => pool.claim(list)));
          for (const [i, { status }] of results.entries()) {
            if (status === "rejected") continue;
            for (const { segment, offsetBytes, lengthBytes } of asked[i]!) {
              for (let at = offsetBytes; at < offsetBytes + lengthBytes; at++) {
                assert.ok(at < 64 && !taken.has(`${segment}/${at}`));
                taken.add(`${segment}/${at}`);
              }
            }
          }
          const vault = await store.open();
          pool = await openInbound(vault, store.clock);
          assert.equal(vault.ledger.balances(pool.ledger).supplied, taken.size);
        }
      }),
      { numRuns: 40, seed: 32 },
    );
  });

  it("a crash at any write of a claim loses the key or serves it, and never twice", async () => {
    let crashed = 0;
    for (let number = 1; number <= 12; number++) {
      for (const mode of ["before", "after", "torn"] as const) {
        const bench = createVaultBench(`claim ${mode}`);
        let served = 0;
        bench.rig.disk.crashAt(number, mode);
        const done = await bench.survives(async (vault) => {
          const pool = await openInbound(vault, bench.rig.life.clock);
          await establish({ inbound: pool, epoch: EPOCH }, [64]);
          for (const at of [0, 32]) served += (await pool.claim([range(segmentName(EPOCH, 1), at, 32)])).length;
        });
        if (!done) crashed += 1;
        bench.rig.disk.doNotCrash();
        const vault = await bench.open();
        const pool = await bench.rig.settled(openInbound(vault, bench.rig.life.clock));
        for (const at of [0, 32]) {
          if (!pool.claimable(range(segmentName(EPOCH, 1), at, 32))) continue;
          await bench.rig.settled(pool.claim([range(segmentName(EPOCH, 1), at, 32)]));
          served += 1;
        }
        assert.ok(served <= 2, `write ${number}, ${mode}`);
        assert.equal(vault.ledger.imbalance(pool.ledger), 0);
      }
    }
    assert.ok(crashed > 15);
  });

  it("a segment that is used here and there gives nothing twice after a restart, and a claim writes little", async () => {
    const { store, names, ...first } = await open([8192]);
    const segment = names[0]!;
    let [pool, vault] = [first.pool, first.vault];
    let writtenBytes = 0;
    store.level.on("write", (operations) => {
      for (const { key, value } of operations as { key: string; value?: Uint8Array }[]) {
        if (key.startsWith("inbound/")) writtenBytes += value?.length ?? 0;
      }
    });
    for (let at = 0; at < 8192; at += 16) {
      await pool.claim([range(segment, at, 8)]);
      if (at % 1600 !== 0) continue;
      vault = await store.open();
      pool = await openInbound(vault, store.clock);
      assert.equal(vault.ledger.balances(pool.ledger).supplied, at / 2 + 8);
      for (let taken = 0; taken <= at; taken += 16) assert.equal(pool.claimable(range(segment, taken, 8)), false);
      assert.equal(pool.claimable(range(segment, at + 8, 8)), true);
    }
    // the whole list, 512 ranges at the end, written each time, would be a megabyte
    assert.ok(writtenBytes > 512 * 20 && writtenBytes < 512 * 100, `${writtenBytes} bytes`);
    for (let at = 8; at < 8192; at += 16) await pool.claim([range(segment, at, 8)]);
    assert.deepEqual(await vault.records("inbound/a/default/used/"), [], "wholly used: nothing is left");
    assert.ok(!pool.has(segment));
  });

  it("a segment that is wholly used leaves nothing on the disk", async () => {
    const { pool, names, store, vault } = await open([64]);
    await pool.claim([range(names[0]!, 0, 40)]);
    await pool.claim([range(names[0]!, 40, 24)]);
    assert.deepEqual(await vault.records("inbound/a/default/segment/"), []);
    const left = await store.level.keys({ gte: "chunk/", lt: "chunk0" }).all();
    assert.equal(left.length, 1, "the id secret only");
    assert.ok(!pool.has(names[0]!));
  });

  it("keeps what the initiator gave up for a grace period: the target's SAE may still come", async () => {
    const { pool, names, store, vault } = await open([64, 64]);
    pool.told([{ first: names[1]!, count: 1 }]);
    await store.world.run(50_000);
    await pool.sweep(60_000);
    assert.equal((await pool.claim([range(names[0]!, 0, 32)])).length, 1);
    await store.world.run(20_000);
    await pool.sweep(60_000);
    assert.deepEqual(
      names.map((name) => pool.has(name)),
      [false, true],
    );
    assert.equal(vault.ledger.balances(pool.ledger).burned, 32);
  });

  it("a segment that is named live again in time is kept", async () => {
    const { pool, names, store } = await open([64]);
    pool.told([]);
    await store.world.run(50_000);
    pool.told([{ first: names[0]!, count: 1 }]);
    await store.world.run(50_000);
    await pool.sweep(60_000);
    assert.ok(pool.has(names[0]!));
  });

  it("serves a minute beyond expiry, for the initiator's clock may be behind, and not longer", async () => {
    const { pool, store } = await open([]);
    const expiresAt = store.clock.wall() + 10_000;
    const [name] = await establish({ inbound: pool, epoch: EPOCH }, [64], { expiresAt });
    await store.world.run(60_000);
    assert.ok(pool.claimable(range(name!, 0, 32)));
    await store.world.run(11_000);
    assert.ok(!pool.claimable(range(name!, 0, 32)));
  });

  it("burns a segment that the disk does not give back, and says that its keys are unknown", async () => {
    const { pool, names, store, vault } = await open([64]);
    const [chunk] = (await store.level.keys({ gte: "chunk/", lt: "chunk0" }).all()).slice(-1);
    const bytes = (await store.level.get(chunk!))!;
    bytes[9]! ^= 1;
    await store.level.put(chunk!, bytes);
    await assert.rejects(pool.claim([range(names[0]!, 0, 32)]), unknown);
    assert.equal(vault.ledger.balances(pool.ledger).burned, 64);
  });
});
