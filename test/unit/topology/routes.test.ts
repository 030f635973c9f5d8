/** Routes through networks that can be drawn. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { disjointRoutesTo } from "../../../src/topology/disjoint-routes.ts";
import { cheapestRoutes, cheapestRoutesTo } from "../../../src/topology/route-search.ts";
import { ROUTE_NODES_MAX } from "../../../src/topology/router.ts";
import { costsOf, node, route } from "./network-graphs.ts";

const ends = (from: string, to: string) => ({ from: node(from), to: node(to) });
const namesOf = (routes: readonly { readonly route: readonly string[] }[]) => routes.map((way) => way.route.join(" "));

describe("routes", () => {
  it("between nodes of a ring go both ways round, the shorter first", () => {
    const ring = costsOf("a-b", "b-c", "c-d", "d-e", "a-e");
    assert.deepEqual(namesOf(cheapestRoutesTo(ring, ends("a", "c"), 5)), ["b c", "e d c"]);
    assert.deepEqual(namesOf(disjointRoutesTo(ring, ends("a", "c"), 5)), ["b c", "e d c"]);
  });

  it("of the same cost are taken by fewer hops, then by name", () => {
    const square = costsOf("a-x", "x-d", "a-b", "b-d", "a-d 2");
    assert.deepEqual(namesOf(cheapestRoutesTo(square, ends("a", "d"), 3)), ["d", "b d", "x d"]);
  });

  it("that share no node are found also where the best route stands in the way of two others", () => {
    //      b --- c
    //    /   \ /   \        the best, a b e d, uses a node of each of the other two
    //   a     X     d
    //    \   / \   /
    //      f --- e
    const trap = costsOf("a-b 1", "b-c 2", "c-d 2", "a-f 2", "f-e 2", "e-d 1", "b-e 1");
    assert.deepEqual(namesOf(cheapestRoutesTo(trap, ends("a", "d"), 1)), ["b e d"]);
    assert.deepEqual(namesOf(disjointRoutesTo(trap, ends("a", "d"), 2)), ["b c d", "f e d"]);
  });

  it("are none where no link leads, and none longer than a relay may name", () => {
    assert.deepEqual(namesOf(cheapestRoutesTo(costsOf("a-b", "c-d"), ends("a", "d"), 3)), []);
    assert.deepEqual(namesOf(disjointRoutesTo(costsOf("a-b", "c-d"), ends("a", "d"), 3)), []);
    const links = Array.from({ length: ROUTE_NODES_MAX + 1 }, (_, i) => `n${i}-n${i + 1}`);
    const chain = costsOf(...links);
    const [near, far] = [node(`n${ROUTE_NODES_MAX}`), node(`n${ROUTE_NODES_MAX + 1}`)];
    const reached = cheapestRoutes(chain, node("n0"));
    assert.equal(reached.get(near)?.route.length, ROUTE_NODES_MAX);
    assert.equal(reached.get(far), undefined);
    assert.deepEqual(disjointRoutesTo(chain, { from: node("n0"), to: far }, 1), []);
  });

  it("cost what their links cost in the direction of the route", () => {
    const costs = new Map([
      [node("a"), new Map([[node("b"), 1]])],
      [node("b"), new Map([[node("a"), 5]])],
    ]);
    assert.deepEqual(cheapestRoutesTo(costs, ends("a", "b"), 1), [{ route: route("b"), cost: 1 }]);
    assert.deepEqual(cheapestRoutesTo(costs, ends("b", "a"), 1), [{ route: route("a"), cost: 5 }]);
  });
});
