import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { POLICY_DEFAULT } from "../../../src/node/config.ts";
import type {
  PoolPlan,
  PoolView,
  PreEstablishmentStrategy,
} from "../../../src/pre-establishment/pre-establishment-strategy.ts";
import { strategies } from "../../../src/pre-establishment/strategies/index.ts";
import { onDemand } from "../../../src/pre-establishment/strategies/on-demand.ts";
import { staticWatermark } from "../../../src/pre-establishment/strategies/static-watermark.ts";
import { NO_DEMAND, poolView } from "./pool-view.ts";

const planFor = (strategy: PreEstablishmentStrategy, pool: PoolView): PoolPlan =>
  strategy.next({ now: 0, pools: [pool] }, strategy.begin()).plans[0]!;

describe("static-watermark", () => {
  it("orders nothing at the low mark, and below it all that the high mark lacks", () => {
    assert.equal(planFor(staticWatermark, poolView({ stockBytes: 320 })).orderBytes, 0);
    const plan = planFor(staticWatermark, poolView({ stockBytes: 319 }));
    assert.equal(plan.orderBytes, 640 - 319);
    assert.match(plan.reason, /9 keys .* low mark of 10/);
  });

  it("counts what is under way as held, and goes on with a refill until the high mark", () => {
    const orderFor = (change: Partial<PoolView>): number => planFor(staticWatermark, poolView(change)).orderBytes;
    assert.equal(orderFor({ stockBytes: 320, inFlightBytes: 160 }), 160);
    assert.equal(orderFor({ stockBytes: 320, inFlightBytes: 320 }), 0);
    assert.equal(orderFor({ stockBytes: 320, inFlightBytes: 320, waitingBytes: 320 }), 320);
  });
});

describe("every strategy", () => {
  const views = fc
    .record({
      stockBytes: fc.nat(100_000),
      inFlightBytes: fc.nat(100_000),
      waitingBytes: fc.nat(10_000),
      keyBytes: fc.integer({ min: 8, max: 512 }),
      reachableBytes: fc.nat(100_000),
      misses: fc.record({ latency: fc.nat(3), supply: fc.nat(3) }),
      demand: fc.record({
        fastBytesPerSecond: fc.nat(10_000),
        slowBytesPerSecond: fc.nat(10_000),
        clumpBytes: fc.nat(5_000),
        largestWindowBytes: fc.nat(20_000),
        lowestStockBytes: fc.option(fc.nat(10_000), { nil: undefined }),
        longestKeyBytes: fc.nat(512),
        largestRequestBytes: fc.nat(20_000),
      }),
      leadTime: fc.nat(5_000).map((boundMs) => ({ meanMs: boundMs / 2, boundMs })),
      marks: fc.record({ lowKeys: fc.nat(1000), more: fc.nat(1000), minKeys: fc.nat(100), further: fc.nat(1000) }),
    })
    .map(({ marks: { lowKeys, more, minKeys, further }, ...numbers }) =>
      poolView({
        ...numbers,
        policy: { strategy: "", lowKeys, highKeys: lowKeys + more, minKeys, maxKeys: 1 + minKeys + further },
      }),
    );

  for (const [name, strategy] of strategies) {
    it(`(${name}) gives the same plans for the same history, within its own target, with a reason`, () => {
      assert.equal(strategy.name, name);
      fc.assert(
        fc.property(fc.array(views, { minLength: 1, maxLength: 6 }), (history) => {
          const run = (): PoolPlan[] => {
            let memory = strategy.begin();
            return history.map((pool, i) => {
              const step = strategy.next({ now: 700 * i, pools: [pool] }, memory);
              memory = step.memory;
              return step.plans[0]!;
            });
          };
          const plans = run();
          assert.deepEqual(run(), plans);
          for (const [i, plan] of plans.entries()) {
            const pool = history[i]!;
            assert.deepEqual([plan.target, plan.keyClass], [pool.target, pool.keyClass]);
            const held = Math.max(0, pool.stockBytes + pool.inFlightBytes - pool.waitingBytes);
            const most = Math.max(held, plan.targetKeys * pool.keyBytes);
            assert.ok(plan.orderBytes >= 0 && held + plan.orderBytes <= most, "never above its own target");
            assert.ok(plan.lowKeys <= plan.targetKeys && Number.isInteger(plan.targetKeys));
            assert.ok(plan.reason.length > 0 && plan.phase.length > 0);
          }
        }),
        { numRuns: 300, seed: 51 },
      );
    });
  }

  it("on-demand prepares nothing", () => {
    const { targetKeys, orderBytes } = planFor(
      onDemand,
      poolView({ demand: { ...NO_DEMAND, slowBytesPerSecond: 99 } }),
    );
    assert.deepEqual([targetKeys, orderBytes], [0, 0]);
  });

  it("there is one that the default policy names", () => {
    assert.ok(strategies.has(POLICY_DEFAULT.strategy));
  });
});
