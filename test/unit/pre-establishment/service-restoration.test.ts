/** How long service was interrupted, as ITU-T Y.3807 would have it measured. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { parseKeyClass, parseNodeId } from "../../../src/model/ids.ts";
import { DemandBook } from "../../../src/pre-establishment/demand-book.ts";
import { createRestorationMetrics } from "../../../src/pre-establishment/restoration-metrics.ts";
import { ServiceRestoration } from "../../../src/pre-establishment/service-restoration.ts";
import { createMemoryMetrics } from "../../fakes/memory-metrics.ts";
import { createVirtualWorldClock } from "../../fakes/virtual-clock.ts";

const id = { direction: "outbound", remote: parseNodeId("far"), keyClass: parseKeyClass("gold") } as const;

function watched(lowKeys = 10, pool = { hasRoute: true, keys: lowKeys }) {
  const world = createVirtualWorldClock({ wallStartMs: 0 });
  const clock = world.clockFor("node");
  const metrics = createMemoryMetrics();
  const demand = new DemandBook(clock, () => undefined);
  const pools = () => [{ id, ...pool, lowKeys, estimates: demand.of(id) }];
  const restoration = new ServiceRestoration({ pools, clock, metrics: createRestorationMetrics(metrics) });
  void restoration.run(new AbortController().signal);
  return {
    pool,
    world,
    demand,
    restored: (lost: string) => metrics.value("qkdn_service_restoration_seconds", "far", lost),
    outage: (lost: string) => metrics.value("qkdn_service_outage_seconds", "far", "gold", lost),
  };
}

describe("service of a pool", () => {
  test("lost with the first request that was sent away, it is restored at the low mark, not before", async () => {
    const { pool, world, demand, restored, outage } = watched();
    await world.run(1_000);
    pool.keys = 0;
    demand.notServed(id);
    await world.run(2_000);
    demand.notServed(id);
    pool.keys = 9;
    await world.run(1_000);
    assert.equal(outage("supply"), 3);
    assert.equal(restored("supply"), 0);
    pool.keys = 10;
    await world.run(250);
    assert.equal(restored("supply"), 3.25);
    assert.equal(outage("supply"), 0);
    assert.equal(restored("route"), 0, "the route was never lost");
  });

  test("while stock lasts, a lost route interrupts nobody, and is restored when the pool is whole again", async () => {
    const { pool, world, restored, outage } = watched();
    await world.run(1_000);
    pool.hasRoute = false;
    await world.run(5_000);
    pool.keys = 4;
    pool.hasRoute = true;
    await world.run(1_000);
    assert.equal(outage("route"), 5.75);
    pool.keys = 10;
    await world.run(250);
    assert.equal(restored("route"), 6);
    assert.equal(restored("supply"), 0);
  });

  test("a pool that never had a route, or holds nothing ahead, has not lost its low mark", async () => {
    const early = watched(10, { hasRoute: false, keys: 0 });
    await early.world.run(3_000);
    assert.equal(early.outage("route"), 0);
    const onDemand = watched(0);
    await onDemand.world.run(1_100);
    onDemand.demand.notServed(id);
    await onDemand.world.run(400);
    assert.equal(onDemand.restored("supply"), 0.15, "it can be relayed for again");
  });
});
