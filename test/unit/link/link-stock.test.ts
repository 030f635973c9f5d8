import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { QkdKeyId } from "../../../src/model/ids.ts";
import { segmentName } from "../../../src/model/ids.ts";
import type { ChunkName } from "../../../src/store/key-bag.ts";
import type { LinkEnd } from "../../../src/link/manifest.ts";
import type { ChunkRecord } from "../../../src/link/link-records.ts";
import { IdRanges } from "../../../src/model/id-ranges.ts";
import { bytesIn, keyRunsOf, Quarantine } from "../../../src/link/quarantine.ts";
import { agree, find, heldIds, LEDGER, LINK, moduleKeys, openLinkEnd, store, type LinkEndBench } from "./link-bench.ts";

const ids = (from: number, count: number): QkdKeyId[] => moduleKeys(from, count, 1).map(({ id }) => id);

async function quarantined(end: LinkEndBench): Promise<string[]> {
  return (await end.vault.records(`link/${LINK}/quarantine/`)).map(([name]) => name);
}

/** Takes keys for segment 1 as a proposal does. */
async function propose(end: LinkEndBench, wanted: readonly QkdKeyId[]): Promise<number> {
  const transaction = end.vault.transaction();
  const keys = find(end, wanted);
  const lengthBytes = bytesIn(keys);
  const chunks = (await end.stock.takeKeys(transaction, keys))!;
  const about = {
    phase: "proposed",
    owner: "leader",
    lengthBytes,
    expiresAt: 0,
    chunks,
    manifest: "",
    tag: "",
  } as const;
  end.stock.putSegment(transaction, segmentName(1, 1), about);
  await end.vault.commit(transaction);
  return transaction.sealedBytes;
}

async function bytesOf(end: LinkEndBench): Promise<Uint8Array> {
  using material = (await end.stock.readSegment(end.stock.segment(segmentName(1, 1))!))!;
  return material.expose((bytes) => bytes.slice());
}

const expected = (wanted: readonly QkdKeyId[], lengthBytes: number): Uint8Array =>
  Uint8Array.from(
    wanted.flatMap((id) =>
      moduleKeys(Number.parseInt(id, 16), 1, lengthBytes).flatMap(({ material }) => material.expose((all) => [...all])),
    ),
  );

describe("stock of a link", () => {
  it("takes whole chunks of quarantine into a segment without writing a byte of them again", async () => {
    const end = await openLinkEnd("leader");
    await store(end, moduleKeys(0, 4, 64));
    await store(end, moduleKeys(4, 4, 64));
    assert.equal(await propose(end, ids(0, 8)), 0);
    assert.deepEqual(await bytesOf(end), expected(ids(0, 8), 64));
    assert.deepEqual(await quarantined(end), []);
  });

  it("seals a chunk anew where a manifest cuts it, what was taken apart from what stays", async () => {
    const end = await openLinkEnd("leader");
    await store(end, moduleKeys(0, 6, 64));
    const [before] = await quarantined(end);
    assert.equal(await propose(end, ids(1, 3)), 6 * 64);
    assert.deepEqual(await bytesOf(end), expected(ids(1, 3), 64));
    const left = [...ids(0, 1), ...ids(4, 2)];
    assert.deepEqual(heldIds(end), left);
    using material = await end.stock.readKeys(find(end, left));
    assert.deepEqual(
      material.expose((bytes) => bytes.slice()),
      expected([...ids(0, 1), ...ids(4, 2)], 64),
    );
    assert.ok(!(await quarantined(end)).includes(before!), "the cut chunk is no more");
  });

  it("stores a segment in the order of its manifest, also where that names a chunk's keys in another order", async () => {
    const end = await openLinkEnd("follower");
    await store(end, moduleKeys(0, 4, 256));
    await store(end, moduleKeys(4, 2, 256));
    const wanted = [...ids(2, 2), ...ids(5, 1), ...ids(0, 2), ...ids(4, 1)];
    using verified = await end.stock.readKeys(find(end, wanted));
    await propose(end, wanted);
    const stored = await bytesOf(end);
    assert.deepEqual(stored, expected(wanted, 256));
    assert.deepEqual(
      verified.expose((bytes) => bytes.slice()),
      stored,
    );
    assert.equal(end.stock.quarantine.bytes, 0);
  });

  it("gives keys back to quarantine when a proposal is refused, but for those that are burned", async () => {
    const end = await openLinkEnd("leader");
    await store(end, moduleKeys(0, 4, 64));
    await store(end, moduleKeys(4, 2, 64));
    await propose(end, ids(0, 6));
    const transaction = end.vault.transaction();
    const record = end.stock.forgetSegment(transaction, segmentName(1, 1));
    const burnedIds = new IdRanges<true>();
    burnedIds.add({ first: ids(0, 1)[0]!, count: 2 }, true);
    await end.stock.returnKeys(transaction, record, burnedIds);
    await end.vault.commit(transaction);
    assert.deepEqual(heldIds(end).sort(), ids(2, 4));
    const { quarantine, burned } = end.vault.ledger.balances(LEDGER);
    assert.deepEqual([quarantine, burned], [4 * 64, 2 * 64]);
  });

  it("burns a chunk that the disk does not give back whole, and only that one", async () => {
    const end = await openLinkEnd("follower");
    await store(end, moduleKeys(0, 2, 64));
    await store(end, moduleKeys(2, 2, 64));
    const { chunk } = find(end, ids(0, 1))[0]!.chunk;
    end.stock.close(); // what is in memory needs no disk
    const bytes = (await end.store.level.get(`chunk/${chunk}`))!;
    bytes[5]! ^= 1;
    await end.store.level.put(`chunk/${chunk}`, bytes);
    assert.equal(await end.stock.readKeysOrBurn(find(end, ids(0, 2))), undefined);
    assert.deepEqual(heldIds(end), ids(2, 2));
    assert.equal(end.vault.ledger.balances(LEDGER).burned, 128);
  });

  it("burns what it cannot cut, at every cut, with the ledger, and goes on", async () => {
    for (const cut of ["take", "return", "discard"] as const) {
      const end = await openLinkEnd("follower");
      await store(end, moduleKeys(0, 4, 64));
      await store(end, moduleKeys(4, 2, 64));
      if (cut === "return") await propose(end, ids(0, 6));
      const damaged =
        cut === "return" ? end.stock.segment(segmentName(1, 1))!.chunks[0]! : find(end, ids(0, 1))[0]!.chunk;
      end.stock.close();
      const bytes = (await end.store.level.get(`chunk/${damaged.chunk}`))!;
      bytes[0]! ^= 1; // not even its version is taken on trust
      await end.store.level.put(`chunk/${damaged.chunk}`, bytes);
      const transaction = end.vault.transaction();
      if (cut === "take") assert.equal(await end.stock.takeKeys(transaction, find(end, ids(1, 2))), undefined);
      if (cut === "discard") await end.stock.discardKeys(transaction, find(end, ids(1, 2)), "discarded");
      if (cut === "return") {
        const some = new IdRanges<true>();
        some.add({ first: ids(1, 1)[0]!, count: 2 }, true);
        await end.stock.returnKeys(transaction, end.stock.forgetSegment(transaction, segmentName(1, 1)), some);
      }
      if (cut !== "take") await end.vault.commit(transaction);
      const { burned, discarded, quarantine } = end.vault.ledger.balances(LEDGER);
      assert.deepEqual([burned, discarded, quarantine], cut === "discard" ? [128, 128, 128] : [256, 0, 128], cut);
      assert.deepEqual(heldIds(end), ids(4, 2));
      assert.match(end.vault.troubles()[0]!, /^1 sealed piece of key came back damaged/);
      const next = await openLinkEnd("follower", { store: end.store });
      assert.deepEqual(heldIds(next), ids(4, 2));
    }
  });

  it("finds after a restart what it held: a follower all of it, a leader no key that no proposal holds", async () => {
    for (const end of ["leader", "follower"] as const) {
      const first = await openLinkEnd(end);
      const agreed = await agree([first], { number: 1, owner: "leader", lengthBytes: 1024 });
      await store(first, moduleKeys(0, 3, 64));
      const second = await openLinkEnd(end, { store: first.store });
      assert.equal(second.stock.segment(agreed)?.lengthBytes, 1024);
      assert.equal(heldIds(second).length, end === "follower" ? 3 : 0);
      assert.equal(second.vault.ledger.balances(LEDGER).burned, end === "follower" ? 0 : 3 * 64);
      assert.equal(second.vault.ledger.imbalance(LEDGER), 0);
    }
  });

  it("books as open at the crash what was in memory then", async () => {
    const first = await openLinkEnd("leader");
    const name = await agree([first], { number: 1, owner: "leader", lengthBytes: 1024 });
    const transaction = first.vault.transaction();
    first.stock.destroySegment(transaction, name, "open");
    await first.vault.commit(transaction);
    const second = await openLinkEnd("leader", { store: first.store });
    const { open, burnedOpen, stock } = second.vault.ledger.balances(LEDGER);
    assert.deepEqual([open, burnedOpen, stock], [0, 1024, 0]);
  });

  it("opens an owner's segments in the order of their names", async () => {
    const end = await openLinkEnd("leader");
    const names = [];
    for (const number of [1, 2, 3, 4]) {
      names.push(await agree([end], { number, owner: number % 2 === 0 ? "follower" : "leader", lengthBytes: 1024 }));
    }
    const toOpen = (owner: LinkEnd): string[] => [...end.stock.toOpen(owner)].map(([name]) => name);
    assert.deepEqual(
      [toOpen("leader"), toOpen("follower")],
      [
        [names[0], names[2]],
        [names[1], names[3]],
      ],
    );
    assert.deepEqual([...end.stock.before(names[3]!, "follower")], [names[1]]);
    assert.deepEqual([end.stock.heldBytes("leader"), end.stock.heldBytes("follower")], [2048, 2048]);
  });
});

describe("quarantine", () => {
  it("holds chunks whole: finds parts of them in any run of ids, and forgets all of a chunk that left", () => {
    const quarantine = new Quarantine();
    const [first, second] = [ids(7, 1)[0]!, ids(12, 1)[0]!];
    const chunk = (name: string, from: QkdKeyId, count: number): ChunkRecord => ({
      chunk: name as ChunkName,
      lengthBytes: 32 * count,
      keys: [{ first: from, count, keyBytes: 32 }],
      receivedAt: 0,
    });
    const [one, other] = [chunk("one", first, 3), chunk("other", second, 4)];
    quarantine.add(one);
    quarantine.add(other);
    const found = quarantine.find({ first: ids(8, 1)[0]!, count: 6 });
    assert.deepEqual(
      found.map((span) => [span.first, span.count, span.offsetBytes, span.chunk]),
      [
        [ids(8, 1)[0], 2, 32, one],
        [second, 2, 0, other],
      ],
    );
    assert.deepEqual(quarantine.gaps({ first: ids(8, 1)[0]!, count: 6 }), [{ first: ids(10, 1)[0], count: 2 }]);
    quarantine.remove(one);
    quarantine.remove(one);
    assert.deepEqual([quarantine.bytes, quarantine.has(first)], [128, false]);
  });

  it("runs of keys keep their lengths apart", () => {
    const [one, two, three] = moduleKeys(0, 3, 1).map(({ id }) => id);
    const runs = keyRunsOf([
      { first: one!, count: 1, keyBytes: 32 },
      { first: two!, count: 1, keyBytes: 32 },
      { first: three!, count: 1, keyBytes: 64 },
    ]);
    assert.deepEqual(runs, [
      { first: one, count: 2, keyBytes: 32 },
      { first: three, count: 1, keyBytes: 64 },
    ]);
  });
});
