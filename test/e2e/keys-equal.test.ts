/** Keys at both ends of a chain of real daemons: equal there, and nowhere else. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { KeySearch } from "./key-search.ts";
import { openNetwork, type Network } from "./network.ts";
import type { ChainSae } from "./network-plan.ts";
import { idsOf, spread, type SaeClient } from "./sae-client.ts";

const SIZES = [64, 256, 4096];
/** At once they are 64 KiB of key: more than a pool's segment, and as much as one relay brings. */
const COUNTS = [1, 10, 128];
const ENDS: readonly (readonly [ChainSae, ChainSae])[] = [
  ["sae-north", "sae-south"],
  ["sae-south", "sae-north"],
];
const NEIGHBOURS: readonly (readonly [ChainSae, ChainSae])[] = [
  ["sae-north", "sae-hub"],
  ["sae-hub", "sae-north"],
  ["sae-hub", "sae-south"],
  ["sae-south", "sae-hub"],
];

describe("keys in a chain of three nodes", () => {
  let network: Network;
  const clients = new Map<ChainSae, SaeClient>();
  /** Every key that was supplied, once. */
  const supplied = new Map<string, Buffer>();

  before(async () => {
    const begun = performance.now();
    network = await openNetwork({ lowKeys: 4096, highKeys: 6144, rateBps: 4_000_000, logLevel: "debug" });
    for (const id of ["sae-north", "sae-hub", "sae-south"] as const) clients.set(id, network.sae(id));
    await client("sae-south").copies("sae-north", idsOf(await firstKey()));
    firstKeyMs = performance.now() - begun;
    await network.filled();
    filledMs = performance.now() - begun;
  });
  after(() => network?.close());
  let firstKeyMs = 0;
  let filledMs = 0;

  const client = (id: ChainSae): SaeClient => clients.get(id)!;

  /** Asked for again as long as there is none: that is how long an application waits at a network's first start. */
  async function firstKey() {
    for (;;) {
      const answer = await client("sae-north").enc("sae-south");
      if (answer.status === 200) return (JSON.parse(answer.text) as { keys: { key_ID: string; key: string }[] }).keys;
      assert.equal(answer.status, 503, answer.text);
    }
  }

  async function share(
    initiator: ChainSae,
    target: ChainSae,
    wish: { number: number; size: number },
    by: "GET" | "POST",
  ) {
    const keys = await client(initiator).newKeys(target, wish, by);
    assert.equal(keys.length, wish.number);
    // by GET one key can be fetched at a time; the order of fetching is the target's own
    const ids = idsOf(keys).reverse();
    const copies =
      by === "POST"
        ? await client(target).copies(initiator, ids)
        : (await Promise.all(ids.map((id) => client(target).copies(initiator, [id], "GET")))).flat();
    assert.deepEqual(copies.reverse(), keys, `${initiator} and ${target} have the same keys under the same ids`);
    for (const { key_ID, key } of keys) {
      const bytes = Buffer.from(key, "base64");
      assert.equal(bytes.length, wish.size / 8);
      assert.equal(bytes.toString("base64"), key, "base64 with padding, as RFC 4648 has it");
      assert.equal(supplied.has(key_ID), false, "an id names one key");
      supplied.set(key_ID, bytes);
    }
  }

  for (const [initiator, target] of ENDS) {
    for (const size of SIZES) {
      for (const number of COUNTS) {
        it(`${number} of ${size} bits from ${initiator} to ${target} over the hub are equal at both ends`, async () => {
          await share(initiator, target, { number, size }, "POST");
        });
      }
      it(`keys of ${size} bits from ${initiator} to ${target} are equal when all is asked by GET`, async () => {
        await share(initiator, target, { number: 3, size }, "GET");
      });
    }
  }
  for (const [initiator, target] of NEIGHBOURS) {
    it(`keys between the neighbours ${initiator} and ${target} are equal, of each size`, async () => {
      for (const size of SIZES) await share(initiator, target, { number: 5, size }, "POST");
    });
  }

  it("each id is a UUID of version 8, and no two keys are the same", () => {
    for (const id of supplied.keys())
      assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.equal(new Set([...supplied.values()].map((key) => key.toString("hex"))).size, supplied.size);
  });

  it("the search finds a key in every form, wherever it begins", () => {
    const key = [...supplied.values()].find(({ length }) => length === 512)!;
    const search = new KeySearch([...supplied.values()]);
    const disk = network.nodes.hub.files().find(({ path }) => path.endsWith(".log"))!.bytes;
    for (let before = 0; before < 3; before++) {
      const part = Buffer.concat([Buffer.alloc(before, 7), key.subarray(256, 280)]);
      for (const form of ["latin1", "hex", "base64", "base64url"] as const) {
        const planted = Buffer.concat([disk, Buffer.from(part.toString(form), "latin1")]);
        assert.notDeepEqual(search.in(planted), [], `${form} after ${before} bytes`);
      }
      assert.notDeepEqual(search.in(part.toString("hex").toUpperCase()), []);
    }
  });

  it("no node's disk, log, status or metrics hold any of the keys, the transit node's least of all", async (test) => {
    const keys = [...supplied.values()];
    const search = new KeySearch(keys);
    let bytesSearched = 0;
    const assertBlank = (where: string, text: Uint8Array | string): void => {
      bytesSearched += text.length;
      assert.deepEqual(search.in(text), [], where);
    };
    for (const node of Object.values(network.nodes)) {
      for (const path of ["/metrics", "/status", "/status.txt", "/healthz", "/readyz"])
        assertBlank(path, await node.text(path));
      const files = node.files();
      for (const part of ["/data/records/", "/data/key-bag", "/data.nv", "/daemon.log"]) {
        assert.ok(
          files.some(({ path }) => path.includes(part)),
          `${part} of ${node.id} is looked at`,
        );
      }
      for (const { path, bytes } of files) assertBlank(path, bytes);
    }
    for (const node of Object.values(network.nodes))
      assert.deepEqual(await node.process.end("SIGTERM"), { code: 0, signal: null });
    for (const node of Object.values(network.nodes)) {
      for (const { path, bytes } of node.files()) assertBlank(`${path} after the end`, bytes);
    }
    assertBlank("the emulator's log", network.emulator.log);
    test.diagnostic(`${keys.length} keys, ${bytesSearched} bytes searched in 9 forms`);
    test.diagnostic(
      `first key at both ends ${(firstKeyMs / 1000).toFixed(1)} s after the start of 4 processes, pools full after ${(filledMs / 1000).toFixed(1)} s`,
    );
    const all = [...clients.values()].map(({ latencies }) => latencies);
    test.diagnostic(`enc_keys ${spread(all.flatMap(({ enc }) => enc))}`);
    test.diagnostic(`dec_keys ${spread(all.flatMap(({ dec }) => dec))}`);
  });
});
