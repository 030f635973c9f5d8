import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { KeyClass, NodeId } from "../../../src/model/ids.ts";
import type {
  PlannedOrder,
  PoolView,
  PreEstablishmentStrategy,
} from "../../../src/pre-establishment/pre-establishment-strategy.ts";
import { strategies } from "../../../src/pre-establishment/strategies/index.ts";
import { onDemand } from "../../../src/pre-establishment/strategies/on-demand.ts";
import { staticWatermark } from "../../../src/pre-establishment/strategies/static-watermark.ts";

const view = (change: Partial<PoolView> = {}): PoolView => ({
  target: "c" as NodeId,
  keyClass: "default" as KeyClass,
  stockBytes: 0,
  inFlightBytes: 0,
  demandBytesPerSecond: 0,
  keyBytes: 32,
  policy: { strategy: "static-watermark", lowKeys: 10, highKeys: 20 },
  reachableBytes: 1_000_000,
  ...change,
});

const orderFor = (strategy: PreEstablishmentStrategy, pool: PoolView): PlannedOrder | undefined =>
  strategy.plan({ now: 0, pools: [pool] })[0];

describe("static-watermark", () => {
  it("orders nothing at the low mark, and below it all that the high mark lacks", () => {
    assert.equal(orderFor(staticWatermark, view({ stockBytes: 320 })), undefined);
    const order = orderFor(staticWatermark, view({ stockBytes: 319 }));
    assert.equal(order?.bytes, 640 - 319);
    assert.match(order.reason, /9 keys .* low mark of 10/);
  });

  it("counts what is under way as held, and goes on with a refill until the high mark", () => {
    assert.equal(orderFor(staticWatermark, view({ stockBytes: 320, inFlightBytes: 160 }))?.bytes, 160);
    assert.equal(orderFor(staticWatermark, view({ stockBytes: 320, inFlightBytes: 320 })), undefined);
  });
});

describe("every strategy", () => {
  const views = fc
    .record({
      stockBytes: fc.nat(100_000),
      inFlightBytes: fc.nat(100_000),
      demandBytesPerSecond: fc.nat(10_000),
      keyBytes: fc.integer({ min: 8, max: 512 }),
      lowKeys: fc.nat(1000),
      more: fc.nat(1000),
      reachableBytes: fc.nat(100_000),
    })
    .map(({ lowKeys, more, ...numbers }) =>
      view({ ...numbers, policy: { strategy: "", lowKeys, highKeys: lowKeys + more } }),
    );

  for (const [name, strategy] of strategies) {
    it(`(${name}) gives the same order for the same view, for its pool, of a sensible size, with a reason`, () => {
      assert.equal(strategy.name, name);
      fc.assert(
        fc.property(views, (given) => {
          const order = orderFor(strategy, given);
          assert.deepEqual(orderFor(strategy, given), order);
          if (order === undefined) return;
          assert.deepEqual([order.target, order.keyClass], [given.target, given.keyClass]);
          const { targetKeys } = strategy.target(given);
          const held = given.stockBytes + given.inFlightBytes;
          assert.ok(order.bytes > 0 && held + order.bytes <= targetKeys * given.keyBytes, "never above its own target");
          assert.ok(order.reason.length > 0);
        }),
        { numRuns: 300, seed: 51 },
      );
    });
  }

  it("on-demand prepares nothing", () => {
    assert.equal(orderFor(onDemand, view()), undefined);
    assert.deepEqual(onDemand.target(view()), { lowKeys: 0, targetKeys: 0 });
  });
});
