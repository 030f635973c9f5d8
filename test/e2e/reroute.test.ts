/** A ring of five daemons: while the node on the short way stands still or is dead, keys come the other way round. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { parse, stringify } from "yaml";
import { troublesOf } from "../../src/api/operator/node-status.ts";
import { until } from "./daemon-process.ts";
import { RING, type RingNode } from "./network-plan.ts";
import { openNetworkOf, type Network } from "./network.ts";
import { idsOf, type SaeClient } from "./sae-client.ts";

const ASKED_EVERY_MS = 100;

describe("in a ring of five, between nodes two hops apart", () => {
  let network: Network<typeof RING>;
  let oslo: SaeClient;
  let bonn: SaeClient;

  before(async () => {
    network = await openNetworkOf(RING, { rateBps: 2_000_000 });
    [oslo, bonn] = [network.sae("sae-oslo"), network.sae("sae-bonn")];
    await network.filled();
  });
  after(() => network?.close());

  async function way(from: RingNode, to: RingNode): Promise<string | undefined> {
    const { map } = await network.nodes[from].status();
    return map.routes.find((route) => route.to === to)?.route?.join(" ");
  }

  async function wayIs(from: RingNode, to: RingNode, wanted: string): Promise<void> {
    const isSo = async (): Promise<boolean> => (await way(from, to)) === wanted;
    await until(`the way from ${from} to ${to} is ${wanted}`, isSo, { seconds: 30 });
  }

  async function assertEqualKeys(number: number): Promise<void> {
    const keys = await oslo.newKeys("sae-bonn", { number });
    assert.deepEqual(await bonn.copies("sae-oslo", idsOf(keys)), keys);
  }

  /** Asks on and on until `isOver`. @returns when there was no key, in ms since the first question */
  async function askUntil(isOver: () => Promise<boolean>): Promise<{ shortages: number[]; keys: number }> {
    const begun = performance.now();
    const shortages: number[] = [];
    let keys = 0;
    while (!(await isOver())) {
      const answer = await oslo.enc("sae-bonn", { number: 4 });
      if (answer.status === 200) keys += 4;
      else shortages.push(Math.round(performance.now() - begun));
      assert.ok([200, 503].includes(answer.status), answer.text);
      await new Promise((done) => setTimeout(done, ASKED_EVERY_MS));
    }
    return { shortages, keys };
  }

  /** Takes all that lies ready. */
  async function drain(): Promise<void> {
    const { keys } = await network.nodes.oslo.pool("bonn", "outbound");
    for (let left = keys; left > 0; left -= 64) await oslo.enc("sae-bonn", { number: Math.min(64, left) });
  }

  async function isAtMark(): Promise<boolean> {
    const { keys, lowKeys } = await network.nodes.oslo.pool("bonn", "outbound");
    return keys >= lowKeys!;
  }

  it("both ways are known, and the short one is used", async () => {
    const linksUp = async (): Promise<number> =>
      (await network.nodes.oslo.status()).map.links.filter(({ state }) => state === "up").length;
    await until("oslo knows the whole ring", async () => (await linksUp()) === 5, { seconds: 30 });
    const { map } = await network.nodes.oslo.status();
    const ways = map.routes.find(({ to }) => to === "bonn")?.disjoint?.map((nodes) => nodes.join(" "));
    assert.deepEqual(ways?.toSorted(), ["riga bonn", "york lyon bonn"]); // whichever has more pad just now comes first
    await wayIs("oslo", "bonn", "riga bonn");
    await assertEqualKeys(10);
  });

  for (const [how, signal] of [
    ["stands still", "SIGSTOP"],
    ["is killed", "SIGKILL"],
  ] as const) {
    it(`stock serves at once while the node between ${how}, and is refilled the other way round`, async (test) => {
      const begun = performance.now();
      if (signal === "SIGSTOP") network.nodes.riga.process.pause();
      else await network.nodes.riga.process.end("SIGKILL");
      await assertEqualKeys(20);
      const { shortages, keys } = await askUntil(async () => (await way("oslo", "bonn")) === "york lyon bonn");
      const reroutedMs = Math.round(performance.now() - begun);
      const drained = performance.now();
      await drain();
      await until("the pool is at its mark again", isAtMark, { seconds: 30, everyMs: 20 });
      test.diagnostic(
        `the node between ${how}: another way after ${reroutedMs} ms (${keys} keys meanwhile, ${shortages.length} ` +
          `requests short); the pool, drained, at its mark again after ${Math.round(performance.now() - drained)} ms`,
      );
      await assertEqualKeys(20);
      if (signal === "SIGSTOP") network.nodes.riga.process.resume();
      else await network.nodes.riga.start();
      await wayIs("oslo", "bonn", "riga bonn");
      await network.filled();
    });
  }

  it("a node whose configuration lists another pair is shown by its neighbours, and keys flow all the same", async () => {
    const { lyon, bonn: neighbour, oslo: far } = network.nodes;
    const before = readFileSync(lyon.configFile, "utf8");
    const fields = parse(before) as { pairs: { between: string[]; class?: string }[] };
    const changed = { ...fields, pairs: fields.pairs.map((pair, i) => (i === 0 ? { ...pair, class: "gold" } : pair)) };
    for (const [text, differs] of [
      [stringify(changed), true],
      [before, false],
    ] as const) {
      await lyon.process.end("SIGTERM");
      writeFileSync(lyon.configFile, text);
      await lyon.start();
      await until(`${differs ? "a" : "no"} difference is shown`, async () => {
        const troubles = troublesOf(await neighbour.status()).filter((trouble) => trouble.includes("told otherwise"));
        return (await neighbour.link("lyon")).session === "up" && troubles.length === (differs ? 1 : 0);
      });
      const labels = { link: "bonn--lyon", section: "pairs" };
      assert.equal(await neighbour.metric("qkdn_link_directory_differs", labels), differs ? 1 : 0);
      assert.deepEqual(
        troublesOf(await far.status()).filter((trouble) => trouble.includes("told otherwise")),
        [],
      );
      await wayIs("bonn", "york", "lyon york");
      await assertEqualKeys(5);
    }
  });
});
