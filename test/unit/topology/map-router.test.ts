/** Which way a node chooses, when it stays with it, and when it takes another. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Advert, AdvertisedLink } from "../../../src/peer/peer-messages.ts";
import { createMapRouter, linkCost } from "../../../src/topology/map-router.ts";
import { NetworkMap, type UsableLink } from "../../../src/topology/network-map.ts";
import type { RouteFailure } from "../../../src/topology/router.ts";
import { createVirtualWorldClock } from "../../fakes/virtual-clock.ts";
import { advertised, EPOCH, WALL_START_MS } from "./advert-bench.ts";
import { node, route } from "./network-graphs.ts";

const AMPLE = 1_000_000;

/** Node "a" of a ring of five: "c" is two hops away one way round, and three the other. */
function openRing() {
  const world = createVirtualWorldClock({ wallStartMs: WALL_START_MS });
  const clock = world.clockFor("a");
  const map = new NetworkMap(node("a"), clock);
  const router = createMapRouter(map, clock);
  let sequence = 0;
  const says = (origin: string, links: Readonly<Record<string, number | "down">>): void => {
    const told = Object.entries(links).map(([neighbour, pad]): AdvertisedLink =>
      pad === "down"
        ? advertised(neighbour, { state: "down" })
        : advertised(neighbour, { padBytes: pad, padBytesPerSecond: 0 }),
    );
    if (origin === "a") return map.setOwnLinks(told);
    const advert: Advert = {
      kind: "advert",
      origin: node(origin),
      epoch: EPOCH,
      sequence: ++sequence,
      ageMs: 0,
      links: told,
    };
    map.receive(advert);
  };
  says("a", { b: AMPLE, e: AMPLE });
  says("b", { a: AMPLE, c: AMPLE });
  says("c", { b: AMPLE, d: AMPLE });
  says("d", { c: AMPLE, e: AMPLE });
  says("e", { d: AMPLE, a: AMPLE });
  const now = (to = "c"): string | undefined => router.route(node(to))?.join(" ");
  const refused = (reason: RouteFailure["reason"], atHop: string): void =>
    router.report(router.route(node("c"))!, { reason, atHop: node(atHop) });
  return { world, router, says, now, refused };
}

describe("a route", () => {
  it("goes the short way, and the other way round when a link of it goes", () => {
    const { says, now } = openRing();
    assert.equal(now(), "b c");
    says("c", { b: "down", d: AMPLE });
    assert.equal(now(), "e d c");
    says("a", { b: AMPLE, e: "down" });
    assert.equal(now(), undefined);
    assert.equal(now("b"), "b");
  });

  it("avoids a node of whose death its neighbours tell", () => {
    const { says, now } = openRing();
    says("a", { b: "down", e: AMPLE });
    says("c", { b: "down", d: AMPLE });
    assert.equal(now(), "e d c");
    assert.equal(now("b"), undefined);
  });

  it("avoids a link whose sending side has no pad left, in that direction only", () => {
    const { says, now } = openRing();
    says("c", { b: 0, d: AMPLE });
    assert.equal(now(), "b c");
    says("b", { a: AMPLE, c: 0 });
    assert.equal(now(), "e d c");
  });

  it("stays with a longer one that costs the same, and goes back to a shorter one that is better by a step", () => {
    const { says, now } = openRing();
    assert.equal(now("d"), "e d");
    says("e", { d: 0, a: AMPLE });
    assert.equal(now("d"), "b c d");
    says("e", { d: 100_000, a: AMPLE }); // 2 hops and a step of two: 3
    assert.equal(now("d"), "b c d");
    says("b", { a: AMPLE, c: 200_000 });
    assert.equal(now("d"), "e d");
  });

  it("does not leave a short one for a longer one that is better by one step of scarcity alone", () => {
    const { says, now } = openRing();
    assert.equal(now("d"), "e d");
    says("e", { d: 60_000, a: AMPLE }); // 2 hops and three steps: 3.5
    assert.equal(now("d"), "e d");
    says("e", { d: 30_000, a: AMPLE });
    assert.equal(now("d"), "b c d");
  });

  it("and its alternatives are told, also those that share no node", () => {
    const { router } = openRing();
    assert.deepEqual(router.routes(node("c"), 3), [route("b c"), route("e d c")]);
    assert.deepEqual(router.disjointRoutes(node("c"), 3), [route("b c"), route("e d c")]);
    assert.deepEqual(router.nodes(), ["b", "c", "d", "e"]);
  });

  it("and the one beside others shares no node with them, and not the direct link", () => {
    const { router } = openRing();
    assert.deepEqual(router.routeBeside(node("c"), []), route("b c"));
    assert.deepEqual(router.routeBeside(node("c"), [route("b c")]), route("e d c"));
    assert.equal(router.routeBeside(node("c"), [route("b c"), route("e d c")]), undefined);
    assert.deepEqual(router.routeBeside(node("b"), [route("b")]), route("e d c b"));
  });
});

describe("after a refusal", () => {
  for (const [reason, atHop, goes] of [
    ["no-pad", "b", "e d c"],
    ["unreachable", "b", "e d c"],
    ["busy", "a", "e d c"],
    ["deadline", "a", "e d c"],
    ["proof-wrong", "c", "e d c"],
    ["tag-wrong", "c", "e d c"],
    ["draining", "b", "e d c"],
    ["draining", "c", "b c"],
    ["busy", "c", "b c"], // the destination itself: no other way would help
    ["not-admitted", "c", "b c"],
    ["no-pad", "z", "b c"], // whoever that is
  ] as const) {
    it(`"${reason}" at ${atHop} of a-b-c the way is a-${goes.replaceAll(" ", "-")}`, () => {
      const { refused, now } = openRing();
      refused(reason, atHop);
      assert.equal(now(), goes);
    });
  }

  it("the link is tried again after some seconds", async () => {
    const { refused, now, world } = openRing();
    refused("no-pad", "b");
    await world.run(4_999);
    assert.equal(now(), "e d c");
    await world.run(2);
    assert.equal(now(), "b c");
  });

  it("it is still the way while there is no other", () => {
    const { refused, now, says } = openRing();
    says("a", { b: AMPLE, e: "down" });
    refused("unreachable", "b");
    assert.equal(now(), "b c");
  });
});

describe("the cost of a link", () => {
  const cost = (padBytes: number, padBytesPerSecond = 0): number =>
    linkCost({ from: node("a"), to: node("b"), padBytes, padBytesPerSecond });

  it("is one hop with ample pad, and half a hop more for each halving", () => {
    assert.deepEqual(
      [AMPLE, 262_144, 262_143, 131_072, 131_071, 65_536, 16_384, 1_024, 100, 0].map((pad) => cost(pad)),
      [1, 1, 1.5, 1.5, 2, 2, 3, 5, 5, 5],
    );
  });

  it("counts pad that will be there in two seconds", () => {
    assert.equal(cost(0, 131_072), 1);
    assert.equal(cost(65_536, 32_768), 1.5);
  });
});

describe("the search for routes", () => {
  it("is shared by all who ask, and takes a ninth of the time at most while somebody changes the map without end", () => {
    let now = 0;
    const clock = { ...createVirtualWorldClock({ wallStartMs: WALL_START_MS }).clockFor("a"), monotonic: () => now };
    let searches = 0;
    /** Each search takes 30 ms. */
    class SlowMap extends NetworkMap {
      override usableLinks(): readonly UsableLink[] {
        searches += 1;
        now += 30;
        return super.usableLinks();
      }
    }
    const map = new SlowMap(node("a"), clock);
    const router = createMapRouter(map, clock);
    for (let i = 0; i < 1_000; i++, now += 1) {
      map.setOwnLinks([advertised("b", { padBytes: i })]);
      assert.deepEqual(router.route(node("b")), ["b"]);
      router.report(route("b"), { reason: "busy", atHop: node("a") });
    }
    assert.ok(searches >= 3 && (searches - 1) * 9 * 30 <= now, `${searches} searches in ${now} ms`);
    const before = searches;
    for (let i = 0; i < 20; i++) router.routes(node("b"), 3);
    assert.ok(searches <= before + 1);
  });
});
