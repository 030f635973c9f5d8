/** What a core file of a daemon would tell: at the transit node none of the keys that were supplied, at the ends none as text. */
import assert from "node:assert/strict";
import { after, before, describe, it, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { KeySearch } from "./key-search.ts";
import { memoryImageOf } from "./memory-image.ts";
import { openNetwork, type Network } from "./network.ts";
import { idsOf } from "./sae-client.ts";

const KEYS = 60;
/** What TLS wrote last may still lie in its buffers. */
const KEYS_AS_TEXT_MAX = 6;
const ALL = 1_000_000;

describe("the memory of daemons that have supplied keys", () => {
  let network: Network;
  const keys: Buffer[] = [];

  before(async () => {
    network = await openNetwork({ lowKeys: 512, highKeys: 1024, rateBps: 4_000_000 });
    await network.filled();
    const [north, south] = [network.sae("sae-north"), network.sae("sae-south")];
    for (let i = 0; i < KEYS; i++) {
      const given = await north.newKeys("sae-south", { number: 1, size: 256 }, "GET");
      await south.copies("sae-north", idsOf(given), "GET");
      keys.push(Buffer.from(given[0]!.key, "base64"));
    }
    await sleep(1_000);
  });
  after(() => network?.close());

  /** Keys of which some bytes are there: as they are, or written as text. */
  function keysIn(pid: number): Readonly<Record<"raw" | "text", number>> {
    const search = new KeySearch(keys);
    const found = memoryImageOf(pid).flatMap(({ bytes }) => search.in(bytes, ALL));
    const count = (isRaw: boolean): number =>
      new Set(found.filter(({ form }) => (form === "raw") === isRaw).map(({ key }) => key)).size;
    return { raw: count(true), text: count(false) };
  }

  it("is really looked at: a key is found in the memory of who holds it, this process", () => {
    const search = new KeySearch(keys.slice(0, 1));
    assert.ok(memoryImageOf(process.pid, { standsStill: false }).some(({ bytes }) => search.in(bytes).length > 0));
  });

  it("holds none of them at the transit node", () => {
    assert.deepEqual(keysIn(network.nodes.hub.process.pid), { raw: 0, text: 0 });
  });

  for (const end of ["north", "south"] as const) {
    it(`holds next to none of them as text at the ${end} end`, (t: TestContext) => {
      const { raw, text } = keysIn(network.nodes[end].process.pid);
      t.diagnostic(`${raw} of ${KEYS} keys left as bytes, ${text} as text`); // see docs/security.md: freed memory
      assert.ok(text <= KEYS_AS_TEXT_MAX, `${text} of ${KEYS} keys are left as text`);
    });
  }
});
