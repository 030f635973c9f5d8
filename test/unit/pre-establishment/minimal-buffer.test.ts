import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { POLICY_DEFAULT } from "../../../src/node/config.ts";
import type { DemandEstimate } from "../../../src/pre-establishment/pool-estimates.ts";
import type { PoolPlan, PoolView } from "../../../src/pre-establishment/pre-establishment-strategy.ts";
import { minimalBuffer } from "../../../src/pre-establishment/strategies/minimal-buffer.ts";
import { NO_DEMAND, poolView } from "./pool-view.ts";

const KEY = 32;
const keysPerSecond = (rate: number): Partial<DemandEstimate> => ({
  fastBytesPerSecond: rate * KEY,
  slowBytesPerSecond: rate * KEY,
  clumpBytes: KEY,
});

/** One pool under `minimal-buffer`, seen again and again. */
class Planned {
  view: PoolView;
  now = 0;
  #memory = minimalBuffer.begin();
  #targetKeys = 0;

  constructor(change: Partial<PoolView> = {}) {
    this.view = poolView({ policy: { ...POLICY_DEFAULT, minKeys: 2, maxKeys: 500 }, ...change });
  }

  /** What changes, and how much later. */
  plan(change: Partial<PoolView> = {}, afterMs = 100): PoolPlan {
    this.view = { ...this.view, ...change };
    this.now += afterMs;
    const { plans, memory } = minimalBuffer.next({ now: this.now, pools: [this.view] }, this.#memory);
    this.#memory = memory;
    this.#targetKeys = plans[0]!.targetKeys;
    return plans[0]!;
  }

  /** So many requests had to wait by now, with all that was planned on its way. */
  missed(latency: number): Partial<PoolView> {
    return { misses: { latency, supply: 0 }, inFlightBytes: this.#targetKeys * KEY };
  }

  demand(change: Partial<DemandEstimate>): Partial<PoolView> {
    return { demand: { ...this.view.demand, ...change } };
  }

  /** Planned every second, with nothing missed. */
  calm(seconds: number): PoolPlan {
    for (let i = 1; i < seconds; i++) this.plan({}, 1_000);
    return this.plan({}, 1_000);
  }
}

describe("minimal-buffer", () => {
  it("holds the least that the policy allows while nobody asks, and orders it at once", () => {
    const pool = new Planned();
    const { targetKeys, orderBytes, phase, reason } = pool.plan();
    assert.deepEqual([targetKeys, orderBytes, phase], [2, 2 * KEY, "probe"]);
    assert.match(reason, /0 of 2 keys held or under way, the least that the policy allows/);
    assert.equal(pool.plan({ stockBytes: 2 * KEY }).orderBytes, 0);
  });

  it("aims at what Poisson demand within a lead time calls for, by the grade's share of misses", () => {
    const targets = (["gold", "silver", "bronze"] as const).map(
      (grade) =>
        new Planned({
          grade,
          demand: { ...NO_DEMAND, ...keysPerSecond(5) },
          leadTime: { meanMs: 100, boundMs: 200 },
        }).plan().targetKeys,
    );
    assert.deepEqual(targets, [7, 6, 5], "P(N >= S) for a mean of one key: 8e-5, 6e-4, 4e-3");
  });

  it("holds some times the most that one lead time has asked for, where that is more", () => {
    const pool = new Planned();
    const { targetKeys, reason } = pool.plan(pool.demand({ ...keysPerSecond(1), largestWindowBytes: 40 * KEY }));
    assert.equal(targetKeys, 80);
    assert.match(reason, /the most that one lead time asked for lately/);
  });

  it("remembers the largest request for longer than the rate of requests", () => {
    const pool = new Planned();
    const { targetKeys, reason } = pool.plan(
      pool.demand({ largestRequestBytes: 100 * KEY, largestWindowBytes: 3 * KEY }),
    );
    assert.equal(targetKeys, 100);
    const beside = pool.plan(pool.demand({ largestWindowBytes: 103 * KEY }));
    assert.equal(beside.targetKeys, 106, "and twice what came beside it");
    assert.match(reason, /the largest request of late/);
  });

  it("orders what is missing, not what is under way, and with it what requests wait for", () => {
    const pool = new Planned(poolView({ demand: { ...NO_DEMAND, largestWindowBytes: 8 * KEY } }));
    assert.equal(pool.plan({ stockBytes: 4 * KEY, inFlightBytes: 8 * KEY }).orderBytes, 4 * KEY);
    assert.equal(pool.plan({ waitingBytes: 12 * KEY }).orderBytes, 16 * KEY);
  });

  it("waits until an order is worth a relay", () => {
    const pool = new Planned();
    const held = (keys: number): Partial<PoolView> => ({ stockBytes: keys * KEY });
    pool.plan(pool.demand({ largestWindowBytes: 40 * KEY }));
    assert.equal(pool.plan(held(71)).orderBytes, 0);
    assert.equal(pool.plan(held(70)).orderBytes, 10 * KEY);
  });

  it("doubles when a request had to wait although pad was there, once in a lead time, up to its bound", () => {
    const pool = new Planned();
    pool.plan();
    assert.equal(pool.plan(pool.missed(1)).targetKeys, 5);
    assert.equal(pool.plan(pool.missed(4), 50).targetKeys, 5, "the same event: no order could have come before");
    assert.equal(pool.plan(pool.missed(5)).targetKeys, 11);
    for (let i = 6; i < 30; i++) pool.plan(pool.missed(i), 200);
    assert.equal(pool.plan().targetKeys, 500);
  });

  it("does not grow when links lack pad: more stock would make that worse", () => {
    const pool = new Planned();
    const { targetKeys } = pool.plan();
    for (let supply = 1; supply < 30; supply++) {
      const plan = pool.plan({ misses: { latency: 0, supply } }, 1_000);
      assert.equal(plan.targetKeys, targetKeys);
      assert.match(plan.reason, /links lacked pad/);
    }
  });

  it("does not grow while its orders cannot be sent: the stock is not what was aimed at", () => {
    const pool = new Planned();
    pool.plan(pool.demand({ largestWindowBytes: 10 * KEY }));
    assert.equal(pool.plan({ misses: { latency: 1, supply: 0 } }).targetKeys, 20);
    assert.equal(pool.plan({ misses: { latency: 2, supply: 0 }, stockBytes: 9 * KEY }).targetKeys, 41);
  });

  it("gives back what a calm while has not touched, and never goes below what demand calls for", () => {
    const pool = new Planned();
    pool.plan();
    for (let latency = 1; latency < 6; latency++) pool.plan(pool.missed(latency), 200);
    assert.equal(pool.plan({ inFlightBytes: 0 }).targetKeys, 95);
    assert.equal(pool.calm(9).phase, "probe");
    assert.equal(
      pool.plan({ stockBytes: 95 * KEY, ...pool.demand({ lowestStockBytes: 40 * KEY }) }, 1_000).phase,
      "hold",
    );
    assert.equal(pool.plan({}, 1_000).targetKeys, 85, "a quarter of the 40 keys that were never used");
    pool.plan(pool.demand({ lowestStockBytes: KEY }));
    assert.equal(pool.calm(20).targetKeys, 85, "all but one key was in use");
    pool.plan(pool.demand({ lowestStockBytes: 60 * KEY, largestWindowBytes: 10 * KEY }));
    assert.equal(pool.calm(20).targetKeys, 20);
  });

  it("probes again after a miss, and when relays take half as long again", () => {
    const pool = new Planned();
    assert.equal(pool.calm(12).phase, "hold");
    assert.equal(pool.plan({ leadTime: { meanMs: 60, boundMs: 140 } }).phase, "hold");
    assert.equal(pool.plan({ leadTime: { meanMs: 60, boundMs: 160 } }).phase, "probe");
    assert.equal(pool.calm(17).phase, "hold", "100 lead times of 160 ms later");
    assert.equal(pool.plan(pool.missed(1)).phase, "probe");
  });

  it("follows a burst at once, by the rate of the last second", () => {
    const pool = new Planned();
    pool.plan(pool.demand({ ...keysPerSecond(1) }));
    const plan = pool.plan(pool.demand({ ...keysPerSecond(1), fastBytesPerSecond: 100 * KEY }));
    assert.ok(plan.targetKeys >= 20, `${plan.targetKeys} keys for ten in a lead time`);
    assert.match(plan.reason, /a burst/);
    const clumped = { ...keysPerSecond(1), clumpBytes: 30 * KEY, fastBytesPerSecond: 100 * KEY };
    assert.doesNotMatch(new Planned().plan(pool.demand(clumped)).reason, /a burst/, "three requests are none");
  });

  it("plans for each pool by itself", () => {
    const [a, b] = [poolView({ misses: { latency: 0, supply: 0 } }), poolView({ target: "d" as PoolView["target"] })];
    const first = minimalBuffer.next({ now: 0, pools: [a, b] }, minimalBuffer.begin());
    const missed = { ...a, misses: { latency: 1, supply: 0 }, inFlightBytes: 4 * KEY };
    const { plans, memory } = minimalBuffer.next({ now: 100, pools: [missed] }, first.memory);
    assert.equal(plans[0]!.targetKeys, 9);
    assert.equal(minimalBuffer.next({ now: 200, pools: [b] }, memory).plans[0]!.targetKeys, 4);
  });
});
