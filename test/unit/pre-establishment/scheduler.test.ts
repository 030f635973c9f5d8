import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createPreEstablishmentMetrics } from "../../../src/pre-establishment/pre-establishment-metrics.ts";
import { Scheduler } from "../../../src/pre-establishment/scheduler.ts";
import { staticWatermark } from "../../../src/pre-establishment/strategies/static-watermark.ts";
import { POLICY_DEFAULT } from "../../../src/node/config.ts";
import type { KeyRelay, RelayOutcome } from "../../../src/relay/key-relay.ts";
import type { RelayOrder } from "../../../src/relay/relay-order.ts";
import type { OutboundPool } from "../../../src/relay/outbound-pool.ts";
import { RELAY_BYTES_MAX } from "../../../src/relay/relay-frame.ts";
import { createMemoryMetrics, type MemoryMetrics } from "../../fakes/memory-metrics.ts";
import { createRecordingLogger } from "../../fakes/recording-logger.ts";
import { C, openPoolEnds } from "../relay/pool-bench.ts";
import { NO_DEMAND, poolView } from "./pool-view.ts";

interface Bench {
  readonly orders: { readonly order: RelayOrder; readonly atMs: number }[];
  readonly scheduler: Scheduler;
  readonly pool: OutboundPool;
  readonly metrics: MemoryMetrics;
  /** As if relays had brought this much. */
  stockBytes: number;
  inFlightBytes: number;
  reachableBytes: number;
  readonly leadTimesMs: readonly number[];
  run(durationMs: number): Promise<void>;
  close(): Promise<void>;
}

async function open(
  establish: (bench: Bench, order: RelayOrder, deadline: AbortSignal) => Promise<RelayOutcome>,
  highKeys = 8192,
): Promise<Bench> {
  const { from } = await openPoolEnds();
  const { clock, world } = from.store;
  const metrics = createMemoryMetrics();
  const bench: Pick<Bench, "orders" | "stockBytes" | "inFlightBytes" | "reachableBytes"> = {
    orders: [],
    stockBytes: 0,
    inFlightBytes: 0,
    reachableBytes: 1_000_000,
  };
  const leadTimesMs: number[] = [];
  const relay: Pick<KeyRelay, "establish"> = {
    establish(order, deadline) {
      bench.orders.push({ order, atMs: clock.monotonic() });
      return establish(bench as Bench, order, deadline);
    },
  };
  const scheduler = new Scheduler({
    pools: [from.pool],
    view: () =>
      poolView({
        stockBytes: bench.stockBytes,
        inFlightBytes: bench.inFlightBytes,
        policy: { ...POLICY_DEFAULT, lowKeys: 512, highKeys },
        reachableBytes: bench.reachableBytes,
        demand: { ...NO_DEMAND, longestKeyBytes: 512 },
      }),
    strategy: () => staticWatermark,
    relay,
    relayed: (_, durationMs) => leadTimesMs.push(durationMs),
    clock,
    log: createRecordingLogger(),
    metrics: createPreEstablishmentMetrics(metrics),
  });
  const stop = new AbortController();
  const running = scheduler.run(stop.signal);
  return Object.assign(bench, {
    scheduler,
    metrics,
    leadTimesMs,
    pool: from.pool,
    run: (durationMs: number) => world.run(durationMs),
    async close() {
      stop.abort();
      await running;
    },
  });
}

const bytesOf = ({ segmentBytes }: RelayOrder): number => segmentBytes.reduce((sum, length) => sum + length, 0);
const established: RelayOutcome = { kind: "established", bytes: 0, routes: [[C]], tookMs: 20 };

describe("the pre-establishment loop", () => {
  it("has no more relays of a pool under way than its bound, none larger than a relay may be", async () => {
    const bench = await open((self, order, deadline) => {
      self.inFlightBytes += bytesOf(order);
      return new Promise((resolve) =>
        deadline.addEventListener("abort", () => resolve({ kind: "refused", reason: "deadline", atHop: C })),
      );
    });
    await bench.run(5_000);
    assert.equal(bench.orders.length, 4);
    for (const { order } of bench.orders) {
      assert.equal(order.urgency, "refill");
      assert.ok(bytesOf(order) + 256 <= RELAY_BYTES_MAX);
    }
    await bench.close();
  });

  it("brings a pool to its target and stops there", async () => {
    const bench = await open((self, order) => {
      self.stockBytes += bytesOf(order);
      return Promise.resolve(established);
    });
    await bench.run(5_000);
    const target = 8192 * 32;
    assert.ok(bench.stockBytes >= 512 * 32, `${bench.stockBytes} bytes`);
    assert.ok(bench.stockBytes <= target + 65_536, `${bench.stockBytes} bytes for ${target}`);
    const { length } = bench.orders;
    await bench.run(60_000);
    assert.equal(bench.orders.length, length);
    assert.match(bench.scheduler.report(bench.pool).plan.reason, /not below the low mark/);
    await bench.close();
  });

  it("waits longer after each failure, up to a second, and is at once on its way again after a success", async () => {
    let good = false;
    const bench = await open((self, order) => {
      if (good) self.stockBytes += bytesOf(order);
      return Promise.resolve(good ? established : { kind: "refused", reason: "no-pad", atHop: C });
    });
    await bench.run(60_000);
    const rounds = bench.orders.map(({ atMs }) => atMs).filter((at, i, all) => i === 0 || at > all[i - 1]!);
    const waits = rounds.slice(1).map((at, i) => at - rounds[i]!);
    assert.ok(
      waits.every((wait) => wait >= 50 && wait <= 1_600),
      waits.join(" "),
    );
    assert.ok(waits.at(-1)! >= 1_000, "the last wait is a long one");
    const { orders, waits: why } = bench.scheduler.report(bench.pool);
    assert.equal(orders.at(-1)?.result?.outcome, "no-pad at c");
    assert.match(why!, /tries again in \d+ ms, after "no-pad at c"/);
    good = true;
    await bench.run(6_000);
    assert.ok(bench.stockBytes > 512 * 32);
    good = false;
    bench.stockBytes = 0;
    const before = bench.orders.length;
    await bench.run(1_500);
    assert.ok(bench.orders.length >= before + 2, "two attempts within a second and a half: the wait is short again");
    assert.ok(bench.metrics.value("qkdn_preestablishment_orders_total", "c", "default", "established") > 0);
    await bench.close();
  });

  it("orders no more than the first hop can carry, and waits for pad where that is nothing", async () => {
    const bench = await open(() => Promise.resolve({ kind: "refused", reason: "no-pad", atHop: C }));
    bench.orders.length = 0;
    bench.reachableBytes = 3_000;
    await bench.run(10_000);
    assert.ok(bench.orders.length > 0);
    for (const { order } of bench.orders.slice(4)) {
      assert.ok(bytesOf(order) + 32 + 64 <= 3_000, `${bytesOf(order)} bytes`);
      assert.ok(
        order.segmentBytes.every((length) => length >= 512),
        "no segment is shorter than the longest key",
      );
    }
    const before = bench.orders.length;
    bench.reachableBytes = 300;
    await bench.run(20_000);
    assert.equal(bench.orders.length, before);
    assert.match(bench.scheduler.report(bench.pool).waits!, /waits for pad/);
    await bench.close();
  });

  it("after a refusal for want of pad tries with a quarter, and grows again with each success", async () => {
    let good = false;
    const bench = await open((self, order) => {
      if (good) self.stockBytes += bytesOf(order);
      return Promise.resolve(good ? established : { kind: "refused", reason: "no-pad", atHop: C });
    }, 1024);
    await bench.run(1_000);
    const sizes = (): readonly number[] => [...new Set(bench.orders.map(({ order }) => bytesOf(order)))];
    assert.deepEqual(sizes(), [32_768, 8_192, 2_048, 512]);
    good = true;
    bench.orders.length = 0;
    await bench.run(6_000);
    const grown = sizes();
    assert.equal(grown[0], 512);
    assert.deepEqual(
      grown,
      [...grown].sort((one, other) => one - other),
    );
    assert.ok(grown.at(-1)! >= 8_192);
    assert.equal(bench.leadTimesMs.length, bench.orders.length, "what brought key tells how long it took");
    await bench.close();
  });

  it("looks at a pool as soon as demand is noticed, all demand of a moment at once, and rests otherwise", async () => {
    const bench = await open((self, order) => {
      self.stockBytes += bytesOf(order);
      return Promise.resolve(established);
    });
    await bench.run(5_100);
    bench.orders.length = 0;
    const from = bench.pool.id;
    for (let i = 0; i < 5; i++) {
      bench.stockBytes = 500 * 32;
      bench.scheduler.notice(from);
    }
    await bench.run(1);
    assert.ok(bench.orders.length > 0, "within a millisecond, not at the end of the period");
    await bench.close();
  });

  it("a failure that is our own bug ends the loop, and is not planned over", async () => {
    const { from } = await openPoolEnds();
    const broken = new Error("broken");
    const scheduler = new Scheduler({
      pools: [from.pool],
      view: () => poolView(),
      strategy: () => staticWatermark,
      relay: { establish: () => Promise.reject(broken) },
      relayed: () => undefined,
      clock: from.store.clock,
      log: createRecordingLogger(),
      metrics: createPreEstablishmentMetrics(createMemoryMetrics()),
    });
    await assert.rejects(scheduler.run(new AbortController().signal), broken);
  });
});
