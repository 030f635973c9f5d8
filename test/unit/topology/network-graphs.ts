/** Networks for tests of routes: graphs by name, and all ways through them, found the slow way. */
import fc from "fast-check";
import type { NodeId } from "../../../src/model/ids.ts";
import { compareRoutes, routeCost, type CostedRoute, type LinkCosts } from "../../../src/topology/route-search.ts";
import type { Route } from "../../../src/topology/router.ts";

export const node = (name: string): NodeId => name as NodeId;
export const route = (nodes: string): Route => nodes.split(" ").map(node) as unknown as Route;

/** Links as "a-b 2": the same cost both ways. */
export function costsOf(...links: readonly string[]): LinkCosts {
  const costs = new Map<NodeId, Map<NodeId, number>>();
  for (const link of links) {
    const [ends, cost] = link.split(" ") as [string, string | undefined];
    const [one, other] = ends.split("-") as [string, string];
    for (const [from, to] of [
      [one, other],
      [other, one],
    ] as const) {
      costs.set(node(from), (costs.get(node(from)) ?? new Map<NodeId, number>()).set(node(to), Number(cost ?? 1)));
    }
  }
  return costs;
}

/** Every way without a node twice, the best first. */
export function allRoutes(costs: LinkCosts, from: NodeId, to: NodeId): readonly CostedRoute[] {
  const found: CostedRoute[] = [];
  const walk = (way: readonly NodeId[], at: NodeId): void => {
    for (const next of costs.get(at)?.keys() ?? []) {
      if (next === from || way.includes(next)) continue;
      const longer = [...way, next] as unknown as Route;
      if (next === to) found.push({ route: longer, cost: routeCost(costs, from, longer) });
      else walk(longer, next);
    }
  };
  walk([], from);
  return found.sort(compareRoutes);
}

/** Up to seven nodes "a" to "g"; each direction of a link has its own cost, as pad has. */
export const graphs: fc.Arbitrary<LinkCosts> = fc.integer({ min: 2, max: 7 }).chain((count) => {
  const names = [..."abcdefg"].slice(0, count).map(node);
  const ends = names.flatMap((from) => names.filter((to) => to !== from).map((to) => [from, to] as const));
  const cost = fc.option(fc.integer({ min: 2, max: 10 }).map((halves) => halves / 2));
  return fc.array(cost, { minLength: ends.length, maxLength: ends.length }).map((drawn) => {
    const costs = new Map<NodeId, Map<NodeId, number>>();
    ends.forEach(([from, to], i) => {
      const leaving = costs.get(from) ?? new Map<NodeId, number>();
      costs.set(from, drawn[i] === null ? leaving : leaving.set(to, drawn[i]!));
    });
    return costs;
  });
});
