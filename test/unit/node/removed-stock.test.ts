import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { settleRemovedStock } from "../../../src/node/removed-stock.ts";
import { createRecordingLogger } from "../../fakes/recording-logger.ts";
import { openInbound, openPoolEnds, establish } from "../relay/pool-bench.ts";

const BYTES = 96;

/** A pool with two segments, one of them used in part, and the next life, whose configuration lacks the pool. */
async function removed(discard: boolean) {
  const { to } = await openPoolEnds("removed");
  const [name] = await establish({ inbound: to.pool, epoch: 7 }, [BYTES, BYTES]);
  await to.pool.claim([{ segment: name!, offsetBytes: 0, lengthBytes: 32 }]);
  const vault = await to.store.open();
  const parts = { vault, log: createRecordingLogger() };
  const sentences = await settleRemovedStock(parts, { links: [], pools: { outbound: [], inbound: [] } }, { discard });
  const swept = await vault.sweepUnclaimed();
  return { store: to.store, ledger: to.pool.ledger, name: name!, sentences, swept };
}

describe("stock that the configuration does not name any more", () => {
  it("is kept, said, and used again when it is named again", async () => {
    const { store, ledger, name, sentences, swept } = await removed(false);
    assert.equal(swept, 0);
    assert.equal(sentences.length, 1);
    assert.match(sentences[0]!, new RegExp(`^${ledger} is not in the configuration; its ${2 * BYTES - 32} bytes`));
    const pool = await openInbound(await store.open(), store.clock);
    const [key] = await pool.claim([{ segment: name, offsetBytes: 32, lengthBytes: 32 }]);
    assert.equal(key!.lengthBytes, 32);
  });

  it("is burned with the ledger where the operator says so, and no data key stays", async () => {
    const { store, ledger, sentences } = await removed(true);
    assert.deepEqual(sentences, []);
    const vault = await store.open();
    const { burned, supplied, stock } = vault.ledger.balances(ledger);
    assert.deepEqual([burned, supplied, stock], [2 * BYTES - 32, 32, 0]);
    assert.equal(vault.ledger.imbalance(ledger), 0);
    assert.equal(await vault.sweepUnclaimed(), 0);
    const pool = await openInbound(await store.open(), store.clock);
    assert.equal(pool.stockBytes, 0);
  });
});
