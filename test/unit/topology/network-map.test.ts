/** What the map believes, and for how long. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ADVERT_LINKS_MAX, type Advert, type AdvertisedLink } from "../../../src/peer/peer-messages.ts";
import { ADVERT_LIFETIME_MS, MAP_LINKS_MAX, MAP_NODES_MAX, NetworkMap } from "../../../src/topology/network-map.ts";
import { createVirtualWorldClock } from "../../fakes/virtual-clock.ts";
import { advertised, EPOCH, WALL_START_MS } from "./advert-bench.ts";
import { node } from "./network-graphs.ts";

function openMap() {
  const world = createVirtualWorldClock({ wallStartMs: WALL_START_MS });
  return { world, map: new NetworkMap(node("a"), world.clockFor("a")) };
}

const advert = (origin: string, links: readonly AdvertisedLink[], change: Partial<Advert> = {}): Advert => ({
  kind: "advert",
  origin: node(origin),
  epoch: EPOCH,
  sequence: 1,
  ageMs: 0,
  links,
  ...change,
});

const linksOf = (map: NetworkMap): string[] => map.usableLinks().map(({ from, to }) => `${from}>${to}`);

describe("an advert", () => {
  it("replaces an older one: by epoch first, then by sequence", () => {
    const { map } = openMap();
    assert.equal(map.receive(advert("b", [], { sequence: 7 })), "news");
    assert.equal(map.receive(advert("b", [], { sequence: 7 })), "repeated");
    assert.equal(map.receive(advert("b", [], { sequence: 6 })), "older");
    assert.equal(map.receive(advert("b", [], { epoch: EPOCH + 1, sequence: 0 })), "news");
    assert.equal(map.receive(advert("b", [], { sequence: 8 })), "older");
    assert.equal(map.advert(node("b"))?.epoch, EPOCH + 1);
  });

  it("is forgotten after its lifetime, which counts from where it was said", async () => {
    const { map, world } = openMap();
    map.receive(advert("b", [], { ageMs: 4_000 }));
    map.receive(advert("c", []));
    await world.run(ADVERT_LIFETIME_MS - 4_000 - 1);
    map.expire();
    assert.deepEqual(map.origins(), ["b", "c"]);
    assert.equal(map.advert(node("b"))?.ageMs, ADVERT_LIFETIME_MS - 1);
    await world.run(1);
    map.expire();
    assert.deepEqual(map.origins(), ["c"]);
    assert.equal(map.receive(advert("b", [], { ageMs: ADVERT_LIFETIME_MS })), "expired");
  });

  it("of an epoch that no clock can have reached is not believed", () => {
    const { map } = openMap();
    assert.equal(map.receive(advert("b", [], { epoch: EPOCH + 3_601 })), "implausible");
    assert.equal(map.receive(advert("b", [], { epoch: EPOCH + 3_599 })), "news");
  });

  it("of one node too many is ignored, while those that are known are heard", () => {
    const { map } = openMap();
    for (let i = 0; i < MAP_NODES_MAX; i++) assert.equal(map.receive(advert(`n${i}`, [])), "news");
    assert.equal(map.receive(advert("one-more", [])), "full");
    assert.equal(map.receive(advert("n0", [], { sequence: 2 })), "news");
  });

  it("that brings one link too many is ignored; there is room for those of neighbours, and for others when some are silent", async () => {
    const { world, map } = openMap();
    const links = Array.from({ length: ADVERT_LINKS_MAX }, (_, i) => advertised(`x${i}`));
    map.setOwnLinks([advertised("near")]);
    for (let i = 0; i < MAP_LINKS_MAX / ADVERT_LINKS_MAX; i++) map.receive(advert(`n${i}`, links));
    assert.equal(map.receive(advert("one-more", links)), "full");
    assert.equal(map.receive(advert("near", links)), "news");
    assert.equal(map.receive(advert("n0", [], { sequence: 2 })), "news", "with fewer links than before");
    await world.run(ADVERT_LIFETIME_MS + 1);
    map.expire();
    assert.equal(map.receive(advert("one-more", links)), "news");
  });
});

describe("a link", () => {
  it("counts while both of its ends advertise it as up", () => {
    const { map } = openMap();
    map.receive(advert("b", [advertised("c")]));
    assert.deepEqual(linksOf(map), []);
    map.receive(advert("c", [advertised("b")]));
    assert.deepEqual(linksOf(map), ["b>c", "c>b"]);
    map.receive(advert("c", [advertised("b", { state: "down" })], { sequence: 2 }));
    assert.deepEqual(linksOf(map), []);
  });

  it("of our own counts by our session, whatever its other end has said", () => {
    const { map } = openMap();
    map.receive(advert("b", [advertised("a")]));
    assert.deepEqual(linksOf(map), []);
    map.setOwnLinks([advertised("b")]);
    assert.deepEqual(linksOf(map), ["a>b", "b>a"]);
    map.receive(advert("b", [advertised("a", { state: "down" })], { sequence: 2 }));
    assert.deepEqual(linksOf(map), ["a>b"]);
    map.setOwnLinks([advertised("b", { state: "down" })]);
    assert.deepEqual(linksOf(map), []);
  });

  it("has the pad of the sending side in each direction", () => {
    const { map } = openMap();
    map.receive(advert("b", [advertised("c", { padBytes: 7, padBytesPerSecond: 1 })]));
    map.receive(advert("c", [advertised("b", { padBytes: 9, padBytesPerSecond: 2 })]));
    assert.deepEqual(map.usableLinks(), [
      { from: "b", to: "c", padBytes: 7, padBytesPerSecond: 1 },
      { from: "c", to: "b", padBytes: 9, padBytesPerSecond: 2 },
    ]);
  });
});

describe("the version of the map", () => {
  it("changes with what routes depend on, and not with refreshes", async () => {
    const { map, world } = openMap();
    const changes = (step: () => void): boolean => {
      const before = map.version;
      step();
      return map.version !== before;
    };
    assert.ok(changes(() => map.receive(advert("b", [advertised("c")]))));
    assert.ok(!changes(() => map.receive(advert("b", [advertised("c")], { sequence: 2 }))));
    assert.ok(changes(() => map.receive(advert("b", [advertised("c", { padBytes: 1 })], { sequence: 3 }))));
    assert.ok(changes(() => map.setOwnLinks([advertised("b")])));
    assert.ok(!changes(() => map.setOwnLinks([advertised("b")])));
    await world.run(ADVERT_LIFETIME_MS);
    assert.ok(changes(() => map.expire()));
  });
});
