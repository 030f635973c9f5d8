/** The network map as an operator and programs read it. The texts are golden. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { mapStatusOf } from "../../../src/api/operator/map-status.ts";
import { renderMap } from "../../../src/api/operator/map-text.ts";
import type { AdvertisedLink } from "../../../src/peer/peer-messages.ts";
import { createTopology } from "../../../src/topology/topology.ts";
import { createMemoryMetrics } from "../../fakes/memory-metrics.ts";
import { badStatus, wellStatus } from "../../fakes/sample-status.ts";
import { createVirtualWorldClock } from "../../fakes/virtual-clock.ts";
import { advertised, EPOCH, WALL_START_MS } from "../topology/advert-bench.ts";
import { node } from "../topology/network-graphs.ts";

const WELL = `the network as node-a knows it: 3 nodes, 2 of 2 links up

links
  link                state   pad ->    pad <-    rate ->    rate <-     told
  far-node -- node-b  up     391 KiB   488 KiB  6.20 kb/s  6.20 kb/s  2 s ago
  node-a -- node-b    up     648 KiB  63.5 KiB  6.20 kb/s  6.20 kb/s  1 s ago

routes from node-a
  to        hops  by               disjoint ways
  far-node     2  node-b far-node              1
  node-b       1  node-b                       1
`;

const BAD = `the network as node-a knows it: 2 nodes, 0 of 1 links up

not heard of: node-b

links
  link              state   pad ->  pad <-  rate ->  rate <-     told
  node-a -- node-b  down   648 KiB       -    0 b/s        -  0 s ago

routes from node-a
  to        hops  by        disjoint ways
  far-node     -  NO ROUTE              -
  node-b       -  NO ROUTE              -
`;

describe("the map as text", () => {
  test("of a network that is well", () => assert.equal(renderMap(wellStatus()), WELL));
  test("of a node that is cut off: whom it does not reach", () => assert.equal(renderMap(badStatus()), BAD));
});

/** Node "a" with neighbours "b" and "e"; what the others say is up to the test. */
function openTopology() {
  const world = createVirtualWorldClock({ wallStartMs: WALL_START_MS });
  const metrics = createMemoryMetrics();
  const parts = { self: node("a"), epoch: EPOCH, links: new Map(), clock: world.clockFor("a"), metrics };
  const topology = createTopology({ ...parts, ownLinks: () => [], remotes: [node("c"), node("z")] });
  const says = (origin: string, ...links: readonly AdvertisedLink[]) =>
    topology.map.receive({ kind: "advert", origin: node(origin), epoch: EPOCH, sequence: 1, ageMs: 0, links });
  topology.map.setOwnLinks([advertised("b"), advertised("e", { state: "down" })]);
  return { world, metrics, topology, says };
}

describe("the map of a status", () => {
  test("tells of every link what each end says, and whether relays may go there", async () => {
    const { topology, says, world } = openTopology();
    says("b", advertised("a"), advertised("c", { padBytes: 5 }));
    await world.run(700);
    says("c", advertised("b", { padBytes: 6 }), advertised("d"));
    const { links, nodes } = mapStatusOf(topology, []);
    assert.deepEqual(
      links.map(({ ends, state }) => `${ends.join("-")} ${state}`),
      ["a-b up", "a-e down", "b-c up", "c-d one-sided"],
    );
    assert.deepEqual(links[2]!.says, [
      { state: "up", padBytes: 5, padBytesPerSecond: 10_000, ageMs: 700 },
      { state: "up", padBytes: 6, padBytesPerSecond: 10_000, ageMs: 0 },
    ]);
    assert.equal(links[1]!.says[1], null);
    assert.deepEqual(nodes, [
      { node: "a", ageMs: 0 },
      { node: "b", ageMs: 700 },
      { node: "c", ageMs: 0 },
      { node: "e" },
    ]);
  });

  test("tells the ways to all nodes, and that there is none to a node that shares a pool with us", () => {
    const { topology, says } = openTopology();
    says("b", advertised("a"), advertised("c"));
    says("c", advertised("b"), advertised("e"));
    says("e", advertised("c"), advertised("a"));
    topology.map.setOwnLinks([advertised("b"), advertised("e")]);
    const { routes } = mapStatusOf(topology, [node("c"), node("z")]);
    const ways = [
      ["b", "c"],
      ["e", "c"],
    ];
    assert.deepEqual(routes[1], { to: "c", route: ["b", "c"], alternatives: ways, disjoint: ways });
    assert.deepEqual(routes.at(-1), { to: "z" });
  });

  test("and the gauges tell nodes, links and hops", () => {
    const { metrics, says } = openTopology();
    says("b", advertised("a"), advertised("c"));
    says("c", advertised("b"), advertised("d"));
    metrics.text();
    assert.equal(metrics.value("qkdn_topology_nodes"), 4, "a, b, c, and e, which is silent");
    assert.equal(metrics.value("qkdn_topology_links_up"), 2);
    assert.equal(metrics.value("qkdn_route_hops", "c"), 2);
    assert.equal(metrics.value("qkdn_route_hops", "z"), 0);
  });
});
