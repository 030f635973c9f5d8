/**
 * The cheapest set of routes between two nodes that share no other node: as many as there are, up to a number. Pure.
 *
 * As the cheapest flow of that many units, where each node between the ends lets one unit through (Suurballe's and
 * Bhandari's way): greedily taking the best route first would find fewer, or dearer ones. A node is an entry and an exit
 * with one arc between them; each round sends one unit along the cheapest way through what is left, which may also push
 * back what an earlier round sent.
 */
import type { NodeId } from "../model/ids.ts";
import { compareRoutes, routeCost, type CostedRoute, type LinkCosts, type RouteEnds } from "./route-search.ts";
import { ROUTE_NODES_MAX, type Route } from "./router.ts";

/** An entry (">b") or exit ("b>") of a node. */
type Door = string;

const entry = (node: NodeId): Door => `>${node}`;
const exit = (node: NodeId): Door => `${node}>`;

/** Arcs that a unit may still take; a negative cost takes back what was sent. */
type Arcs = Map<Door, Map<Door, number>>;

/** The best first. */
export function disjointRoutesTo(costs: LinkCosts, ends: RouteEnds, countMax: number): readonly CostedRoute[] {
  const arcs = arcsOf(costs, ends);
  let sets: readonly CostedRoute[] = [];
  for (let sent = 0; sent < countMax; sent++) {
    const way = cheapestWay(arcs, exit(ends.from), entry(ends.to));
    if (way === undefined) break;
    for (const [i, to] of way.slice(1).entries()) turn(arcs, way[i]!, to);
    sets = routesSent(costs, arcs, ends);
  }
  return sets.filter(({ route }) => route.length <= ROUTE_NODES_MAX);
}

function arcsOf(costs: LinkCosts, { from, to }: RouteEnds): Arcs {
  const arcs: Arcs = new Map();
  const add = (a: Door, b: Door, cost: number): void => {
    const leaving = arcs.get(a) ?? new Map<Door, number>();
    arcs.set(a, leaving.set(b, cost));
  };
  for (const [a, leaving] of costs) {
    if (a !== from && a !== to) add(entry(a), exit(a), 0);
    for (const [b, cost] of leaving) if (a !== to && b !== from) add(exit(a), entry(b), cost);
  }
  return arcs;
}

/** Bellman and Ford's algorithm: costs may be negative, no circle is. */
function cheapestWay(arcs: Arcs, from: Door, to: Door): readonly Door[] | undefined {
  const cost = new Map<Door, number>([[from, 0]]);
  const cameFrom = new Map<Door, Door>();
  for (let changed = true; changed;) {
    changed = false;
    for (const [a, leaving] of arcs) {
      const before = cost.get(a);
      if (before === undefined) continue;
      for (const [b, step] of leaving) {
        if (before + step >= (cost.get(b) ?? Number.POSITIVE_INFINITY)) continue;
        cost.set(b, before + step);
        cameFrom.set(b, a);
        changed = true;
      }
    }
  }
  if (!cost.has(to)) return undefined;
  const way = [to];
  for (let door = to; door !== from;) way.unshift((door = cameFrom.get(door)!));
  return way;
}

/** A unit was sent: the arc is used up, and can be taken back. */
function turn(arcs: Arcs, a: Door, b: Door): void {
  const cost = arcs.get(a)!.get(b)!;
  arcs.get(a)!.delete(b);
  const back = arcs.get(b) ?? new Map<Door, number>();
  arcs.set(b, back.set(a, -cost));
}

/** What the units that were sent take, from end to end. */
function routesSent(costs: LinkCosts, arcs: Arcs, { from, to }: RouteEnds): readonly CostedRoute[] {
  const isSent = (a: NodeId, b: NodeId): boolean => arcs.get(entry(b))?.has(exit(a)) === true;
  const nextOf = (a: NodeId): NodeId[] => [...(costs.get(a)?.keys() ?? [])].filter((b) => isSent(a, b));
  const routes = nextOf(from).map((first) => {
    const nodes = [first];
    while (nodes.at(-1) !== to) nodes.push(nextOf(nodes.at(-1)!)[0]!);
    const route = nodes as unknown as Route;
    return { route, cost: routeCost(costs, from, route) };
  });
  return routes.sort(compareRoutes);
}
