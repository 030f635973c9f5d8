import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DispersionEstimate } from "../../../src/pre-establishment/estimators/dispersion.ts";
import { ForecastError } from "../../../src/pre-establishment/estimators/forecast-error.ts";
import { LargestWindow } from "../../../src/pre-establishment/estimators/largest-window.ts";
import { LeadTimeEstimate } from "../../../src/pre-establishment/estimators/lead-time.ts";
import { stockFor } from "../../../src/pre-establishment/estimators/poisson.ts";
import { RateEstimate } from "../../../src/pre-establishment/estimators/rate.ts";
import { RecentExtreme } from "../../../src/pre-establishment/estimators/recent-extreme.ts";
import { createSeededRandom, type SeededRandom } from "../../fakes/seeded-random.ts";

const near = (value: number, wanted: number, part: number): void =>
  assert.ok(Math.abs(value - wanted) <= part * wanted, `${value} is not ${wanted} within ${100 * part} %`);

/** Moments of a Poisson process. */
function* moments(random: SeededRandom, perSecond: number, untilMs: number): Generator<number> {
  for (let at = 0; ;) {
    at -= (1000 * Math.log(1 - random.fraction())) / perSecond;
    if (at >= untilMs) return;
    yield at;
  }
}

describe("the stock for Poisson demand (Palm's theorem)", () => {
  /** [demand per second, lead time in seconds, stock, part of requests that finds it empty] */
  const KNOWN = [
    [10, 0.05, 3, 0.014388],
    [10, 0.05, 4, 0.001752],
    [5, 0.2, 4, 0.018988],
    [5, 0.2, 5, 0.00366],
    [50, 0.1, 12, 0.005453],
    [1, 10, 20, 0.003454],
  ] as const;

  it("is the least that misses no more often than it may", () => {
    for (const [rate, seconds, stock, missed] of KNOWN) {
      assert.equal(stockFor(rate * seconds, 1, missed + 1e-6), stock);
      assert.equal(stockFor(rate * seconds, 1, missed - 1e-6), stock + 1);
    }
  });

  it("goes on smoothly where the sum is replaced by the normal law", () => {
    for (const ratio of [1e-4, 1e-3, 1e-2]) near(stockFor(500.1, 1, ratio), stockFor(499.9, 1, ratio), 0.01);
  });

  it("of keys that come in clumps is that of clumps: exactly so for requests of ten keys", () => {
    assert.equal(stockFor(5, 10, 0.0018), 10 * stockFor(0.5, 1, 0.0018));
    assert.equal(stockFor(0.5, 0.2, 0.0018), 4, "less than one key at a time does not exist");
    assert.equal(stockFor(0, 10, 0.001), 0);
  });
});

describe("a smoothed rate", () => {
  it("is right from the first second on, and forgets with its time constant", () => {
    const rate = new RateEstimate(60_000, 0);
    for (let at = 0; at < 5_000; at += 10) rate.add(32, at);
    near(rate.perSecond(5_000), 3_200, 0.01);
    near(rate.perSecond(65_000), 3_200 * Math.exp(-1) * ((1 - Math.exp(-5 / 60)) / (1 - Math.exp(-65 / 60))), 0.01);
  });

  it("one early request is no storm", () => {
    const rate = new RateEstimate(1_000, 0);
    rate.add(32, 0);
    assert.ok(rate.perSecond(1) < 60);
  });
});

describe("the index of dispersion", () => {
  for (const [what, count] of [
    ["single keys", 1],
    ["requests for eight keys", 8],
  ] as const) {
    it(`of ${what} at random is their size`, () => {
      const estimate = new DispersionEstimate(60_000, 0);
      const random = createSeededRandom("dispersion");
      for (const at of moments(random, 20, 120_000)) estimate.add(count * 32, at);
      near(estimate.clumpBytes(120_000), count * 32, 0.15);
    });
  }

  it("is 0 before any demand, and small for demand by the clock", () => {
    assert.equal(new DispersionEstimate(60_000, 0).clumpBytes(5_000), 0);
    const estimate = new DispersionEstimate(60_000, 0);
    for (let at = 0; at < 60_000; at += 20) estimate.add(32, at);
    assert.ok(estimate.clumpBytes(60_000) < 1);
  });
});

describe("the largest window", () => {
  it("is the most that came within the window, wherever it began, and fades", () => {
    const window = new LargestWindow(60_000, 0);
    for (const [at, bytes] of [
      [0, 10],
      [95, 20],
      [190, 30],
      [320, 5],
    ] as const) {
      window.add(bytes, at, 100);
    }
    assert.ok(window.bytes(320) <= 50 && window.bytes(320) > 49, `${window.bytes(320)}: 20 and 30 were 95 ms apart`);
    near(window.bytes(60_320), 50 * Math.exp(-1), 0.01);
  });

  it("counts nothing twice after a long silence", () => {
    const window = new LargestWindow(1_000, 0);
    window.add(10, 0, 1_000);
    window.add(10, 5_120, 1_000); // the same cell, one round later
    assert.ok(window.bytes(5_120) <= 10.1);
  });
});

describe("the lead time", () => {
  it("is bounded by its mean and four mean deviations, and by a guess before the first relay", () => {
    const lead = new LeadTimeEstimate();
    assert.deepEqual([lead.meanMs, lead.boundMs], [undefined, 200]);
    lead.add(40);
    assert.deepEqual([lead.meanMs, lead.boundMs], [40, 120]);
    for (let i = 0; i < 200; i++) lead.add(i % 2 === 0 ? 30 : 50);
    near(lead.meanMs!, 40, 0.05);
    near(lead.boundMs, 80, 0.05);
    for (let i = 0; i < 50; i++) lead.add(60_000);
    assert.equal(lead.boundMs, 5_000);
  });
});

describe("a recent extreme", () => {
  it("lasts for one to two periods", () => {
    const lowest = new RecentExtreme(10, Math.min);
    assert.equal(lowest.value(0), undefined);
    lowest.add(3, 5);
    lowest.add(7, 6);
    assert.deepEqual([lowest.value(9), lowest.value(15)], [3, 3]);
    lowest.add(5, 15);
    assert.deepEqual([lowest.value(19), lowest.value(20), lowest.value(40)], [3, 5, undefined]);
  });
});

describe("the error of forecasts", () => {
  it("is that of the forecast made before each span", () => {
    const error = new ForecastError(0);
    const rate = (): number => 10;
    assert.equal(error.ratio(9_000, rate), undefined);
    for (let at = 10_000; at < 30_000; at += 100) error.add(1, at, rate);
    assert.equal(error.ratio(30_000, rate), 0);
    for (let at = 30_000; at < 40_000; at += 100) error.add(3, at, rate);
    assert.ok(error.ratio(40_000, rate)! > 0.3);
  });
});
