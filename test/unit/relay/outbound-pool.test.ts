import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Incarnation } from "../../../src/model/ids.ts";
import type { AllocatedKey, OutboundPool } from "../../../src/relay/outbound-pool.ts";
import { createVaultBench } from "../store/vault-bench.ts";
import { establish, openOutbound, openPoolEnds, segmentBytes, type PoolEnds } from "./pool-bench.ts";

const open = async (lengths: readonly number[]): Promise<PoolEnds["from"]> => {
  const { from } = await openPoolEnds();
  if (lengths.length > 0) await establish({ outbound: from.pool, epoch: from.vault.epoch }, lengths);
  return from;
};

const bytesOf = ({ material }: AllocatedKey): Uint8Array => material.expose((bytes) => bytes.slice());

describe("the initiator's end of a pool", () => {
  it("cuts keys strictly forward, each within one segment, and they are the segment's bytes", async () => {
    const { pool } = await open([100, 100]);
    const keys = (await pool.allocate(5, 32))!;
    assert.deepEqual(
      keys.map(({ offsetBytes }) => offsetBytes),
      [0, 32, 64, 0, 32],
    );
    assert.equal(new Set(keys.map(({ segment }) => segment)).size, 2, "four bytes of the first are left");
    for (const key of keys) {
      const { segment, offsetBytes } = key;
      assert.deepEqual(bytesOf(key), segmentBytes(segment, 100).subarray(offsetBytes, offsetBytes + 32));
    }
  });

  it("gives all keys of a request or none, and spends nothing where they do not suffice", async () => {
    const { pool, vault } = await open([100, 100]);
    await pool.allocate(1, 32);
    const before = vault.ledger.balances(pool.ledger);
    assert.equal(await pool.allocate(6, 32), undefined);
    assert.equal(await pool.allocate(1, 101), undefined, "a key that spans segments does not exist");
    assert.deepEqual(vault.ledger.balances(pool.ledger), before);
    assert.equal((await pool.allocate(5, 32))?.length, 5);
  });

  it("counts as stock for a key only what is long enough for it: a pool full of shorter segments is ordered anew", async () => {
    const { pool } = await open([64, 64, 512]);
    assert.deepEqual([pool.stockBytesFor(0), pool.stockBytesFor(64), pool.stockBytesFor(65)], [640, 640, 512]);
    await pool.allocate(1, 500);
    assert.deepEqual([pool.stockBytes, pool.stockBytesFor(12), pool.stockBytesFor(13)], [140, 140, 128]);
    await pool.allocate(2, 64);
    assert.equal(pool.stockBytesFor(13), 0, "a rest is no stock for a key that is longer");
  });

  it("no byte is in two keys, under any sequence of requests, and the ledger adds up", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 8, max: 200 }), { minLength: 1, maxLength: 5 }),
        fc.array(fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 40 })), { maxLength: 12 }),
        async (lengths, requests) => {
          const { pool, vault } = await open(lengths);
          const taken = new Set<string>();
          const given = await Promise.all(requests.map(([count, size]) => pool.allocate(count, size)));
          for (const { segment, offsetBytes, material } of given.flatMap((keys) => keys ?? [])) {
            for (let at = offsetBytes; at < offsetBytes + material.lengthBytes; at++) {
              const place = `${segment}/${at}`;
              assert.ok(!taken.has(place), place);
              taken.add(place);
            }
          }
          const { supplied, burned } = vault.ledger.balances(pool.ledger);
          assert.deepEqual([supplied, burned, vault.ledger.imbalance(pool.ledger)], [taken.size, 0, 0]);
        },
      ),
      { numRuns: 40, seed: 31 },
    );
  });

  it("what is too short for one key serves shorter ones, and a long key leaves shorter segments alone", async () => {
    const { pool, vault } = await open([64, 64, 512, 64]);
    const sizes: string[] = [];
    for (const size of [40, 512, 24, 64, 64]) {
      const [key] = (await pool.allocate(1, size))!;
      sizes.push(`${key!.offsetBytes}+${key!.material.lengthBytes}`);
    }
    assert.deepEqual(sizes, ["0+40", "0+512", "40+24", "0+64", "0+64"]);
    assert.equal(vault.ledger.balances(pool.ledger).tails, 0);
    assert.equal(pool.stockBytes, 0);
  });

  it("keeps some rests open, and counts the shortest as a tail when they become too many", async () => {
    const lengths = [50, 44, 46, 48, 52, 54, 56, 58, 60, 62];
    const { pool, vault } = await open(lengths);
    for (const _ of lengths) await pool.allocate(1, 40);
    assert.equal(vault.ledger.balances(pool.ledger).tails, 4 + 6);
    assert.equal(pool.stockBytes, 10 + 8 + 12 + 14 + 16 + 18 + 20 + 22);
    assert.equal(
      pool.liveRuns().reduce((sum, { count }) => sum + count, 0),
      8,
    );
  });

  it("opens the next segment ahead of need where keys are asked for quickly, and not where seldom", async () => {
    const opened = async (pauseMs: number): Promise<number> => {
      const { pool, vault, store } = await open([1024, 1024]);
      for (let keys = 0; keys < 30; keys++) {
        await pool.allocate(1, 32);
        await store.world.run(pauseMs);
      }
      const { open: openBytes, supplied } = vault.ledger.balances(pool.ledger);
      return openBytes + supplied;
    };
    assert.equal(await opened(10), 2048);
    assert.equal(await opened(1_000), 1024);
  });

  it("what is being opened ahead counts: a request for more than the rest waits for it", async () => {
    const { pool, store } = await open([1024, 1024]);
    for (let keys = 0; keys < 31; keys++) {
      await pool.allocate(1, 32);
      if (keys < 24) await store.world.run(10);
    }
    assert.equal((await pool.allocate(33, 32))?.length, 33);
    assert.equal(await pool.allocate(1, 32), undefined);
  });

  it("two requests at once get different keys", async () => {
    const { pool } = await open([64, 64]);
    const [one, other] = await Promise.all([pool.allocate(2, 32), pool.allocate(2, 32)]);
    const all = [...one!, ...other!].map((key) => Buffer.from(bytesOf(key)).toString("hex"));
    assert.equal(new Set(all).size, 4);
  });

  it("after a crash at any write, no key is given twice", async () => {
    const run = async (bench: ReturnType<typeof createVaultBench>, given: string[]): Promise<boolean> =>
      bench.survives(async (vault) => {
        const pool = await openOutbound(vault, bench.rig.life.clock);
        await establish({ outbound: pool, epoch: vault.epoch }, [64, 64]);
        for (let i = 0; i < 3; i++) {
          for (const key of (await pool.allocate(1, 32)) ?? []) given.push(Buffer.from(bytesOf(key)).toString("hex"));
        }
      });
    const whole = createVaultBench("pool");
    assert.ok(await run(whole, []));
    for (let number = 1; number <= whole.rig.disk.writes; number++) {
      for (const mode of ["before", "after", "torn"] as const) {
        const bench = createVaultBench(`pool ${mode}`);
        const given: string[] = [];
        bench.rig.disk.crashAt(number, mode);
        await run(bench, given);
        const vault = await bench.open();
        const pool = await bench.rig.settled(openOutbound(vault, bench.rig.life.clock));
        for (;;) {
          const keys = await bench.rig.settled(pool.allocate(1, 32));
          if (keys === undefined) break;
          given.push(...keys.map((key) => Buffer.from(bytesOf(key)).toString("hex")));
        }
        assert.equal(new Set(given).size, given.length, `write ${number}, ${mode}`);
        assert.equal(vault.ledger.imbalance(pool.ledger), 0);
      }
    }
  });

  it("at a start burns what came by one route, where its policy has come to want two, and keeps and marks it where it degrades", async () => {
    for (const [whenTooFewRoutes, left] of [
      ["wait", 0],
      ["refuse", 0],
      ["degrade", 64],
    ] as const) {
      const { store } = await open([64]);
      const vault = await store.open();
      const pool = await openOutbound(vault, store.clock, { disjointPaths: 2, whenTooFewRoutes });
      assert.deepEqual([pool.stockBytes, pool.degradedBytes], [left, left]);
      assert.equal(vault.ledger.balances(pool.ledger).burned, 64 - left);
    }
  });

  it("stops a minute before expiry, and books what is left as expired", async () => {
    const { pool, store, vault } = await open([]);
    await establish({ outbound: pool, epoch: vault.epoch }, [64], { expiresAt: store.clock.wall() + 120_000 });
    await store.world.run(30_000);
    assert.equal((await pool.allocate(1, 32))?.length, 1);
    await establish({ outbound: pool, epoch: vault.epoch }, [64], { expiresAt: store.clock.wall() + 90_000 });
    await store.world.run(40_000);
    await pool.sweep();
    assert.equal(vault.ledger.balances(pool.ledger).expired, 64);
    assert.equal((await pool.allocate(1, 32))?.length, 1, "an open segment does not expire");
    assert.equal(await pool.allocate(1, 32), undefined);
  });

  it("burns what a new life of the target does not hold, and keeps what was proven in that life", async () => {
    const { pool, vault } = await open([64, 64]);
    const life = "00000000000000c2" as Incarnation;
    const [young] = await establish({ outbound: pool, epoch: vault.epoch }, [64], { targetLife: life });
    await pool.targetHolds([], life);
    assert.deepEqual(pool.liveRuns(), [{ first: young, count: 1 }]);
    assert.equal(vault.ledger.balances(pool.ledger).burned, 128);
  });

  for (const [what, burn] of [
    ["a rollback is proven", (pool: OutboundPool) => pool.burnStock()],
    ["the target has lost it", (pool: OutboundPool) => pool.targetHolds([], "00000000000000c2" as Incarnation)],
  ] as const) {
    it(`a segment that is being opened while ${what} is burned as well`, async () => {
      const { pool, store, vault } = await open([64]);
      const gate = Promise.withResolvers<void>();
      store.bag.gate = gate.promise;
      const allocated = pool.allocate(1, 32);
      while (pool.stockBytes > 0) await new Promise((done) => setImmediate(done)); // read, and going from the disk
      assert.equal(pool.liveRuns().length, 1, "until then the target is told to keep its copy");
      const burned = burn(pool);
      gate.resolve();
      await burned;
      assert.equal(await allocated, undefined);
      assert.equal(vault.ledger.balances(pool.ledger).burned, 64);
    });
  }

  it("spends nothing where part of the stock has expired unnoticed", async () => {
    const { pool, store, vault } = await open([]);
    await establish({ outbound: pool, epoch: vault.epoch }, [64]);
    await establish({ outbound: pool, epoch: vault.epoch }, [64], { expiresAt: store.clock.wall() + 1_000 });
    assert.equal(await pool.allocate(4, 32), undefined);
    assert.equal((await pool.allocate(2, 32))?.length, 2);
  });
});
