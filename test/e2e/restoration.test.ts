/**
 * Two nodes that are two hops apart, while the daemon on the shorter way is stopped: supply goes on from stock, and the pools
 * are refilled the other way round.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createSeededRandom } from "../fakes/seeded-random.ts";
import { until } from "./daemon-process.ts";
import { openNetworkOf, type Network } from "./network.ts";
import { RING } from "./network-plan.ts";
import { spread } from "./sae-client.ts";
import { SupplyLoad } from "./supply-load.ts";

const KEYS_IN_POOL = 64;
/** More than the pools of both directions hold when it begins. */
const KEYS_ASKED = 4 * KEYS_IN_POOL;

describe("with the daemon on the shorter way stopped", () => {
  let network: Network<typeof RING>;
  const ends = ["oslo", "bonn"] as const;

  before(async () => {
    network = await openNetworkOf(RING, {
      fields: {
        preEstablishment: { strategy: "static-watermark", lowKeys: KEYS_IN_POOL / 2, highKeys: KEYS_IN_POOL },
      },
    });
    await network.filled();
    for (const end of ends) await until(`${end} uses the short way`, async () => (await hopsFrom(end)) === 2);
  });
  after(() => network?.close());

  const hopsFrom = (end: (typeof ends)[number]) => network.node(end).metric("qkdn_route_hops", { pair: "bonn--oslo" });
  const relaysOver = async (end: (typeof ends)[number], hops: number): Promise<number> => {
    const labels = { role: "origin", result: "established", hops: String(hops) };
    return (await network.node(end).metric("qkdn_relay_total", labels)) ?? 0;
  };

  /** SAEs at both ends ask all the time. @returns what they had to say, and how long until a relay came the other way */
  async function askDuring(stop: () => unknown, seed: string) {
    const load = new SupplyLoad(createSeededRandom(seed));
    for (let connection = 0; connection < 2; connection++) {
      load.start(network, "sae-oslo", "sae-bonn");
      load.start(network, "sae-bonn", "sae-oslo");
    }
    try {
      await sleep(500);
      const before = await Promise.all(ends.map((end) => relaysOver(end, 3)));
      const stoppedAt = performance.now();
      await stop();
      const restored = ends.map(async (end, i) => {
        const came = async (): Promise<boolean> => (await relaysOver(end, 3)) > before[i]!;
        await until(`${end} refills the other way round`, came, { seconds: 30, everyMs: 50 });
        return Math.round(performance.now() - stoppedAt);
      });
      const restoredMs = await Promise.all(restored);
      await until(`${KEYS_ASKED} keys are supplied`, () => load.counts.supplied > KEYS_ASKED, { seconds: 60 });
      return { load, restoredMs };
    } finally {
      await load.stop();
    }
  }

  function assertServedThroughout({ counts, violations }: SupplyLoad): void {
    assert.deepEqual(violations, []);
    assert.equal(counts.shortages, 0, "no request found its pool empty");
    assert.equal(counts.unanswered, 0);
    assert.equal(counts.supplied, counts.fetched, "all keys are equal at both ends");
  }

  it("an orderly stop: no request fails, and key comes the other way round", async (test) => {
    const { load, restoredMs } = await askDuring(() => network.node("riga").process.end("SIGTERM"), "stopped");
    assertServedThroughout(load);
    test.diagnostic(`a relay over three hops was there after ${restoredMs.join(" and ")} ms`);
    test.diagnostic(`${load.counts.supplied} keys; enc_keys ${spread(load.latencies.enc)}`);
    await network.filled(ends);
  });

  it("when it is back, the short way is used again", async () => {
    await network.node("riga").start();
    for (const end of ends) await until(`${end} uses the short way`, async () => (await hopsFrom(end)) === 2);
    await network.filled();
  });

  it("a daemon that stands still is found out by its silence: no request fails", async (test) => {
    const { riga } = network.nodes;
    try {
      const { load, restoredMs } = await askDuring(() => riga.process.pause(), "paused");
      assertServedThroughout(load);
      test.diagnostic(`a relay over three hops was there after ${restoredMs.join(" and ")} ms`);
      await network.filled(ends);
    } finally {
      riga.process.resume();
    }
    for (const id of ends) await network.node(id).assertLedgerAddsUp();
  });
});
