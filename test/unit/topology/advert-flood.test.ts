/** Adverts reach everybody, settle, and do not go round for ever. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Advert } from "../../../src/peer/peer-messages.ts";
import { ADVERT_LIFETIME_MS, ADVERT_REFRESH_MS } from "../../../src/topology/network-map.ts";
import { EPOCH, openFloodWorld, type FloodWorld } from "./advert-bench.ts";
import { node } from "./network-graphs.ts";

const RING = ["a-b", "b-c", "c-d", "d-e", "a-e"];

/** Links that a node thinks usable, each once. */
const linksSeenBy = (nodes: FloodWorld, name: string): string[] =>
  nodes
    .at(name)
    .map.usableLinks()
    .filter(({ from, to }) => from < to)
    .map(({ from, to }) => `${from}-${to}`);

function assertAllSee(nodes: FloodWorld, links: readonly string[], names = [..."abcde"]): void {
  for (const name of names) assert.deepEqual(linksSeenBy(nodes, name), links, `as ${name} sees it`);
}

const saidBy = (nodes: FloodWorld, origin: string, from = 0): Set<string> =>
  new Set(
    nodes.sent
      .slice(from)
      .flatMap(([, , { origin: who, epoch, sequence }]) => (who === origin ? [`${epoch}/${sequence}`] : [])),
  );

describe("the flood", () => {
  it("shows everybody the whole ring within a fraction of a second", async () => {
    const nodes = openFloodWorld(...RING);
    await nodes.world.run(300);
    assertAllSee(nodes, ["a-b", "a-e", "b-c", "c-d", "d-e"]);
  });

  it("tells everybody at once when a link goes, and when it is back", async () => {
    const nodes = openFloodWorld(...RING);
    await nodes.world.run(2_000);
    nodes.cut("c", "d");
    await nodes.world.run(200);
    assertAllSee(nodes, ["a-b", "a-e", "b-c", "d-e"]);
    nodes.join("c", "d");
    await nodes.world.run(200);
    assertAllSee(nodes, ["a-b", "a-e", "b-c", "c-d", "d-e"]);
  });

  it("passes on each advert at most once over each line and direction, then is quiet until the refresh", async () => {
    const nodes = openFloodWorld(...RING);
    await nodes.world.run(2_000);
    const before = nodes.sent.length;
    await nodes.world.run(4 * ADVERT_REFRESH_MS);
    const sent = nodes.sent.slice(before);
    const names = sent.map(([from, to, { origin, sequence }]) => `${from}>${to} ${origin} ${sequence}`);
    assert.equal(new Set(names).size, names.length, "the same advert went twice over one line");
    assert.ok(sent.length >= 4 * 5 * 5 && sent.length <= 5 * 5 * 2 * 5, `${sent.length} messages in four refreshes`);
  });

  it("forgets a node that is silent for three refreshes", async () => {
    const nodes = openFloodWorld(...RING);
    await nodes.world.run(2_000);
    nodes.cut("a", "b");
    nodes.cut("a", "e");
    nodes.at("a").end();
    await nodes.world.run(ADVERT_LIFETIME_MS - ADVERT_REFRESH_MS);
    assert.ok(nodes.at("c").map.origins().includes(node("a")));
    await nodes.world.run(ADVERT_REFRESH_MS + 500);
    for (const name of "bcde") assert.deepEqual(nodes.at(name).map.origins(), ["b", "c", "d", "e"]);
  });

  it("joins islands that were apart for long: both see all again", async () => {
    const nodes = openFloodWorld("a-b", "b-c", "c-d");
    await nodes.world.run(1_000);
    nodes.cut("b", "c");
    await nodes.world.run(3 * ADVERT_LIFETIME_MS);
    assertAllSee(nodes, ["a-b"], ["a", "b"]);
    assert.deepEqual(nodes.at("a").map.origins(), ["a", "b"]);
    nodes.join("b", "c");
    await nodes.world.run(300);
    assertAllSee(nodes, ["a-b", "b-c", "c-d"], [..."abcd"]);
  });

  it("tells a neighbour that is behind what is newer", async () => {
    const nodes = openFloodWorld("a-b", "b-c");
    await nodes.world.run(2 * ADVERT_REFRESH_MS);
    const stale = nodes.sent.find(([, , { origin }]) => origin === "a")![2];
    const before = nodes.sent.length;
    nodes.at("b").flood.receive(node("c"), stale);
    await nodes.world.run(100);
    const told = nodes.sent.slice(before).filter(([from, to, { origin }]) => `${from}${to}${origin}` === "bca");
    assert.equal(told.length, 1);
    assert.ok(told[0]![2].sequence > stale.sequence);
  });

  it("loses nothing on a line that was full: the newest news goes when there is room", async () => {
    const nodes = openFloodWorld("a-b", "b-c");
    await nodes.world.run(1_000);
    nodes.fill("b", "c", true);
    nodes.cut("a", "b");
    await nodes.world.run(1_000);
    nodes.join("a", "b");
    await nodes.world.run(1_000);
    nodes.cut("a", "b");
    await nodes.world.run(1_000);
    assertAllSee(nodes, ["a-b", "b-c"], ["c"]);
    const before = nodes.sent.length;
    nodes.fill("b", "c", false);
    await nodes.world.run(100);
    assertAllSee(nodes, ["b-c"], ["c"]);
    const ofB = nodes.sent.slice(before).filter(([from, , { origin }]) => from === "b" && origin === "b");
    assert.equal(ofB.length, 1, "what was replaced meanwhile was sent as well");
  });
});

describe("a node's own advert", () => {
  it("is news when pad halves or doubles, at most once a second, and not when it wobbles", async () => {
    const nodes = openFloodWorld("a-b");
    await nodes.world.run(2_000);
    const start = nodes.sent.length;
    for (let i = 0; i < 20; i++) {
      nodes.at("a").pads.set("b", i % 2 === 0 ? 1_000_000 : 700_000);
      await nodes.world.run(100);
    }
    assert.equal(saidBy(nodes, "a", start).size, 0);
    for (let i = 0; i < 30; i++) {
      nodes.at("a").pads.set("b", i % 2 === 0 ? 1_000_000 : 100_000);
      await nodes.world.run(100);
    }
    const said = saidBy(nodes, "a", start).size;
    assert.ok(said >= 1 && said <= 4, `${said} adverts in three seconds`);
    nodes.at("a").pads.set("b", 10_000);
    await nodes.world.run(2_000);
    assert.equal(nodes.at("b").map.usableLinks()[0]!.padBytes, 10_000);
  });

  it("is believed at once after a restart, although what was said before is still known", async () => {
    const nodes = openFloodWorld(...RING);
    await nodes.world.run(3 * ADVERT_REFRESH_MS);
    nodes.start("c", EPOCH + 20);
    await nodes.world.run(300);
    for (const name of "abde") assert.equal(nodes.at(name).map.advert(node("c"))!.epoch, EPOCH + 20);
  });

  it("jumps over one of an earlier life that counted further: the clock was set back, or the store replaced", async () => {
    const nodes = openFloodWorld(...RING);
    await nodes.world.run(3 * ADVERT_REFRESH_MS);
    nodes.start("c", EPOCH - 1_000);
    await nodes.world.run(500);
    assertAllSee(nodes, ["a-b", "a-e", "b-c", "c-d", "d-e"]);
    nodes.cut("c", "d");
    await nodes.world.run(200);
    assertAllSee(nodes, ["a-b", "a-e", "b-c", "d-e"]);
  });

  it("jumps over lies in its name, but over none that nobody can believe", async () => {
    const nodes = openFloodWorld(...RING);
    await nodes.world.run(1_000);
    const lie: Advert = { kind: "advert", origin: node("c"), epoch: EPOCH, sequence: 0xffff_ffff, ageMs: 0, links: [] };
    nodes.at("a").flood.receive(node("b"), lie);
    nodes.at("a").flood.receive(node("b"), { ...lie, epoch: 0xffff_ffff });
    nodes.at("c").flood.receive(node("b"), { ...lie, epoch: 0xffff_ffff });
    await nodes.world.run(300);
    assertAllSee(nodes, ["a-b", "a-e", "b-c", "c-d", "d-e"]);
    for (const name of "abcde") assert.equal(nodes.at(name).map.advert(node("c"))!.epoch, EPOCH + 1);
  });

  it("from a neighbour that floods them without end is passed on at a bounded rate", async () => {
    const nodes = openFloodWorld("a-b", "b-c");
    await nodes.world.run(1_000);
    const before = nodes.sent.length;
    for (let i = 0; i < 20_000; i++) {
      const origin = node(`n${i % 100}`);
      nodes
        .at("b")
        .flood.receive(node("a"), { kind: "advert", origin, epoch: EPOCH, sequence: i, ageMs: 0, links: [] });
      if (i % 20 === 0) await nodes.world.run(1);
    }
    const toC = nodes.sent.slice(before).filter(([from, to]) => from === "b" && to === "c").length;
    assert.ok(toC > 100 && toC <= 21 * 64, `${toC} adverts in a second`);
    const unheard = nodes.at("b").metrics.value("qkdn_topology_adverts_received_total", "too-many");
    assert.ok(unheard > 17_000, `${unheard} were not looked at`);
    const own = { kind: "advert", origin: node("a"), epoch: EPOCH, sequence: 1_000, ageMs: 0, links: [] } as const;
    nodes.at("b").flood.receive(node("a"), own);
    assert.equal(nodes.at("b").map.advert(node("a"))?.sequence, 1_000, "but a neighbour's own advert is");
    await nodes.world.run(2_000);
    for (let i = 0; i < 100; i++) {
      const [origin, sequence] = [node(`n${i}`), 30_000 + i];
      nodes.at("b").flood.receive(node("a"), { ...own, origin, sequence });
    }
    await nodes.world.run(500);
    for (let i = 0; i < 100; i++) assert.equal(nodes.at("c").map.advert(node(`n${i}`))?.sequence, 30_000 + i);
  });
});
