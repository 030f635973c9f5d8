/** Supply from stock alone: every other daemon is dead, so no message could be sent to any node. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { missingBytes } from "../../src/api/operator/node-status.ts";
import { openNetwork, type Network } from "./network.ts";
import { spread, type GivenKey, type SaeClient } from "./sae-client.ts";

/** "Without waiting": far below the 2 s that a request may wait for a relay. */
const AT_ONCE_MS = 1_000;

describe("while all KM links are down and the other daemons are stopped", () => {
  let network: Network;
  let north: SaeClient;
  let south: SaeClient;
  const given: GivenKey[] = [];

  before(async () => {
    network = await openNetwork();
    north = network.sae("sae-north");
    south = network.sae("sae-south");
    await network.filled();
    await Promise.all([network.nodes.hub.process.end("SIGKILL"), network.nodes.south.process.end("SIGTERM")]);
  });
  after(() => network?.close());

  it("enc_keys serves from stock at once", async (test) => {
    for (const wish of [
      { number: 1 },
      { number: 10 },
      { number: 3, size: 64 },
      { number: 1, size: 4096 },
      { number: 8 },
    ]) {
      given.push(...(await north.newKeys("sae-south", wish)));
    }
    test.diagnostic(`enc_keys, nothing else up: ${spread(north.latencies.enc)}`);
    assert.ok(Math.max(...north.latencies.enc) < AT_ONCE_MS, spread(north.latencies.enc));
    assert.equal((await network.nodes.north.link("hub")).session, "down");
  });

  it("an exhausted stock answers 503 with Retry-After and the sentence, and nothing is spent", async () => {
    const stored = Number((await north.status("sae-south"))["stored_key_count"]);
    assert.ok(stored > 0 && stored < 128, `${stored} left`);
    const ledgerBefore = await poolLedger();
    const answer = await north.enc("sae-south", { number: 128 });
    assert.equal(answer.status, 503, answer.text);
    assert.match(String(answer.headers["retry-after"]), /^[1-9][0-9]*$/);
    const { message, details } = JSON.parse(answer.text) as { message: string; details: object[] };
    assert.equal(message, "insufficient amount of key material");
    assert.deepEqual(Object.keys(details[0]!), ["retry_after_ms"]);
    assert.deepEqual(await poolLedger(), ledgerBefore, "the ledger is as before");
    assert.equal(Number((await north.status("sae-south"))["stored_key_count"]), stored, "the stock is as before");
  });

  it("every key that is left is supplied, one by one, and only then is there none", async () => {
    const left = Number((await north.status("sae-south"))["stored_key_count"]);
    for (let i = 0; i < left; i++) given.push(...(await north.newKeys("sae-south")));
    assert.equal((await north.status("sae-south"))["stored_key_count"], 0);
    assert.equal((await north.enc("sae-south")).status, 503);
    assert.ok(Math.max(...north.latencies.enc) < AT_ONCE_MS, spread(north.latencies.enc));
    assert.equal((await network.nodes.north.status()).supply.keysSupplied, given.length);
    await network.nodes.north.assertLedgerAddsUp();
  });

  it("dec_keys at the other end, its daemon alone and started anew, gives the same keys at once", async (test) => {
    await network.nodes.north.process.end("SIGKILL");
    await network.nodes.south.start();
    assert.deepEqual(
      [network.nodes.north, network.nodes.hub].map((node) => node.process.running),
      [false, false],
    );
    for (let at = 0; at < given.length; at += 7) {
      const wanted = given.slice(at, at + 7);
      const copies = await south.copies(
        "sae-north",
        wanted.map(({ key_ID }) => key_ID),
      );
      assert.deepEqual(copies, wanted);
    }
    test.diagnostic(`dec_keys, nothing else up: ${spread(south.latencies.dec)}`);
    assert.ok(Math.max(...south.latencies.dec) < AT_ONCE_MS, spread(south.latencies.dec));
    const again = await south.dec("sae-north", [given[0]!.key_ID]);
    assert.equal(again.status, 400, "the copy is supplied once as well");
    await network.nodes.south.assertLedgerAddsUp();
  });

  it("the other direction is served as well: south gives new keys, and north finds them when it is back alone", async () => {
    const keys = await south.newKeys("sae-north", { number: 5 });
    await network.nodes.south.process.end("SIGKILL");
    await network.nodes.north.start();
    const fresh = network.sae("sae-north");
    assert.deepEqual(
      await fresh.copies(
        "sae-south",
        keys.map(({ key_ID }) => key_ID),
      ),
      keys,
    );
    assert.ok(fresh.latencies.dec[0]! < AT_ONCE_MS);
  });

  it("when all are back the stock is filled again, and new keys are equal at both ends", async () => {
    await Promise.all([network.nodes.hub.start(), network.nodes.south.start()]);
    await network.filled();
    const keys = await north.newKeys("sae-south", { number: 20 });
    assert.deepEqual(
      await south.copies(
        "sae-north",
        keys.map(({ key_ID }) => key_ID),
      ),
      keys,
    );
  });

  it("a neighbour that stands still holds up nobody", async () => {
    network.nodes.hub.process.pause();
    try {
      const begun = north.latencies.enc.length;
      const keys = await north.newKeys("sae-south", { number: 4 });
      assert.deepEqual(
        await south.copies(
          "sae-north",
          keys.map(({ key_ID }) => key_ID),
        ),
        keys,
      );
      assert.ok(Math.max(...north.latencies.enc.slice(begun)) < AT_ONCE_MS);
    } finally {
      network.nodes.hub.process.resume();
    }
  });

  async function poolLedger() {
    const { ledger } = await network.nodes.north.status();
    const line = ledger.find(({ owner }) => owner === "outbound/south/default")!;
    assert.equal(missingBytes(line.balances), 0);
    return line;
  }
});
