/** Laws of route searches: they find what trying all ways finds. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { NodeId } from "../../src/model/ids.ts";
import { disjointRoutesTo } from "../../src/topology/disjoint-routes.ts";
import { cheapestRoutes, cheapestRoutesTo, type CostedRoute, type LinkCosts } from "../../src/topology/route-search.ts";
import { allRoutes, graphs, node } from "../unit/topology/network-graphs.ts";

const ends = { from: node("a"), to: node("b") };

const between = ({ route }: CostedRoute): readonly NodeId[] => route.slice(0, -1);

function areDisjoint(routes: readonly CostedRoute[]): boolean {
  const passed = routes.flatMap(between);
  return new Set(passed).size === passed.length && routes.filter(({ route }) => route.length === 1).length <= 1;
}

/** The cheapest set of exactly so many disjoint ways, tried one by one. */
function cheapestSet(ways: readonly CostedRoute[], count: number): number {
  let best = Number.POSITIVE_INFINITY;
  const choose = (chosen: readonly CostedRoute[], from: number, cost: number): void => {
    if (cost >= best || !areDisjoint(chosen)) return;
    if (chosen.length === count) best = cost;
    else ways.slice(from).forEach((way, i) => choose([...chosen, way], from + i + 1, cost + way.cost));
  };
  choose([], 0, 0);
  return best;
}

const costOf = (routes: readonly CostedRoute[]): number => routes.reduce((sum, { cost }) => sum + cost, 0);

describe("routes through any network", () => {
  it("the cheapest to each node is the first of all ways", () => {
    fc.assert(
      fc.property(graphs, (costs: LinkCosts) => {
        const best = cheapestRoutes(costs, ends.from);
        for (const to of costs.keys()) {
          if (to !== ends.from) assert.deepEqual(best.get(to), allRoutes(costs, ends.from, to)[0]);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("the k cheapest are the first k of all ways, in order", () => {
    fc.assert(
      fc.property(graphs, fc.integer({ min: 0, max: 12 }), (costs, count) => {
        const all = allRoutes(costs, ends.from, ends.to);
        assert.deepEqual(cheapestRoutesTo(costs, ends, count), all.slice(0, count));
      }),
      { numRuns: 300 },
    );
  });

  it("disjoint ones share no node, are as many as there are, and are the cheapest such set", () => {
    fc.assert(
      fc.property(graphs, fc.integer({ min: 1, max: 4 }), (costs, countMax) => {
        const found = disjointRoutesTo(costs, ends, countMax);
        const all = allRoutes(costs, ends.from, ends.to);
        assert.ok(areDisjoint(found));
        for (const way of found) assert.ok(all.some(({ route }) => route.join() === way.route.join()));
        assert.equal(costOf(found), found.length === 0 ? 0 : cheapestSet(all, found.length));
        if (found.length < countMax) assert.equal(cheapestSet(all, found.length + 1), Number.POSITIVE_INFINITY);
      }),
      { numRuns: 300 },
    );
  });
});
