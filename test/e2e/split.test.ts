/** A ring of five daemons in which three pairs demand split relay: what each policy does while one way round is lost. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { troublesOf, type PoolStatus } from "../../src/api/operator/node-status.ts";
import { until } from "./daemon-process.ts";
import { RING, type RingNode, type RingSae } from "./network-plan.ts";
import { openNetworkOf, type Network } from "./network.ts";
import { idsOf } from "./sae-client.ts";

/** Neighbours of none of each other; york is on one of the two ways of each pair. */
const PAIRS = [
  ["wait", "oslo", "bonn"],
  ["degrade", "oslo", "lyon"],
  ["refuse", "riga", "lyon"],
] as const;

const FIELDS = {
  pairs: PAIRS.map(([policy, one, other]) => ({ between: [`sae-${one}`, `sae-${other}`], class: policy })),
  preEstablishment: {
    strategy: "static-watermark",
    lowKeys: 16,
    highKeys: 32,
    pools: PAIRS.flatMap(([whenTooFewRoutes, one, other]) =>
      [one, other].map((remote) => ({
        remote,
        class: whenTooFewRoutes,
        strategy: "static-watermark",
        lowKeys: 16,
        highKeys: 32,
        disjointPaths: 2,
        whenTooFewRoutes,
      })),
    ),
  },
};

describe("pairs that demand split relay, in a ring of five", () => {
  let network: Network<typeof RING>;

  before(async () => {
    network = await openNetworkOf(RING, { rateBps: 2_000_000, fields: FIELDS });
    await network.filled();
  });
  after(() => network?.close());

  const sae = (at: RingNode): RingSae => `sae-${at}`;
  const poolAt = (from: RingNode, to: RingNode): Promise<PoolStatus> => network.nodes[from].pool(to, "outbound");

  async function assertEqualKeys(from: RingNode, to: RingNode, number: number): Promise<void> {
    const keys = await network.sae(sae(from)).newKeys(sae(to), { number });
    assert.deepEqual(await network.sae(sae(to)).copies(sae(from), idsOf(keys)), keys);
  }

  /** Asks until there is nothing more. @returns the answer that says so */
  async function drain(from: RingNode, to: RingNode): Promise<{ readonly status: number; readonly text: string }> {
    const client = network.sae(sae(from));
    for (let asked = 0; asked < 200; asked++) {
      const answer = await client.enc(sae(to), { number: 4 });
      if (answer.status !== 200) return answer;
    }
    throw new Error(`${from} still gets keys for ${to}`);
  }

  it("get equal keys at both ends, which came by both ways where the policy wants no less", async () => {
    for (const [policy, from, to] of PAIRS) {
      await assertEqualKeys(from, to, 10);
      await assertEqualKeys(to, from, 5);
      const { split } = await poolAt(from, to);
      assert.deepEqual([split?.wantedRoutes, split?.routes], [2, 2]);
      // before the whole ring is known, "degrade" takes the way that there is
      if (policy !== "degrade") assert.equal(split?.degradedBytes, 0);
      const splitKeys = await network.nodes[from].metric("qkdn_split_keys_total", { result: "established" });
      assert.ok(splitKeys! > 0);
    }
  });

  describe("while a node of one way is dead", () => {
    before(async () => {
      await network.nodes.york.process.end("SIGKILL");
      for (const [, from, to] of PAIRS) {
        const isLost = async (): Promise<boolean> => (await poolAt(from, to)).split?.routes === 1;
        await until(`${from} knows one way to ${to}`, isLost, { seconds: 30 });
      }
    });
    after(() => network.nodes.york.start());

    it('"wait": stock serves; then Get key is 503 and says why, without an alarm', async () => {
      await assertEqualKeys("oslo", "bonn", 4);
      const { status, text } = await drain("oslo", "bonn");
      assert.equal(status, 503);
      assert.match(text, /disjoint routes/);
      assert.match((await poolAt("oslo", "bonn")).plan!.waits!, /^waits: 1 of 2 disjoint routes/);
      assert.deepEqual(
        troublesOf(await network.nodes.oslo.status()).filter((trouble) => trouble.startsWith("pool")),
        [],
      );
    });

    it('"refuse": the same, and an alarm', async () => {
      const { status } = await drain("riga", "lyon");
      assert.equal(status, 503);
      const troubles = troublesOf(await network.nodes.riga.status()).filter((trouble) => trouble.startsWith("pool"));
      assert.deepEqual(troubles, ["pool for lyon, refuse: nothing is relayed: 1 of 2 disjoint routes are there"]);
      assert.equal(await network.nodes.riga.metric("qkdn_alarm_active", { type: "pool" }), 1);
    });

    it('"degrade": keys come by the way that is left, and are marked at both ends', async () => {
      for (let i = 0; i < 8; i++) await assertEqualKeys("oslo", "lyon", 8);
      const marked = async (): Promise<boolean> => ((await poolAt("oslo", "lyon")).split?.degradedBytes ?? 0) > 0;
      await until("the stock is marked", marked, { seconds: 20 });
      const there = await network.nodes.lyon.pool("oslo", "inbound");
      assert.ok((there.split?.degradedBytes ?? 0) > 0);
    });
  });

  it("get keys by both ways again when the node is back", async () => {
    for (const [, from, to] of PAIRS) {
      const isWhole = async (): Promise<boolean> => {
        const { keys, lowKeys, split } = await poolAt(from, to);
        return split?.routes === 2 && keys >= lowKeys!;
      };
      await until(`the pool of ${from} for ${to} is whole`, isWhole, { seconds: 40 });
      await assertEqualKeys(from, to, 4);
    }
  });
});
