/** Ways through a graph of costed, directed links: the cheapest, the k cheapest, and sets that share no node. Pure. */
import type { NodeId } from "../model/ids.ts";
import { ROUTE_NODES_MAX, type Route } from "./router.ts";

/** From, to, cost. A link that is not there is missing; costs are above 0. */
export type LinkCosts = ReadonlyMap<NodeId, ReadonlyMap<NodeId, number>>;

export interface CostedRoute {
  readonly route: Route;
  readonly cost: number;
}

export interface RouteEnds {
  readonly from: NodeId;
  readonly to: NodeId;
}

/** Cost first, then hops, then names: a total order, so that every node, and every run, decides alike. */
export function compareRoutes(one: CostedRoute, other: CostedRoute): number {
  if (one.cost !== other.cost) return one.cost - other.cost;
  if (one.route.length !== other.route.length) return one.route.length - other.route.length;
  for (const [i, node] of one.route.entries()) {
    if (node !== other.route[i]) return node < other.route[i]! ? -1 : 1;
  }
  return 0;
}

/** What a route costs now; infinite where one of its links is gone. */
export function routeCost(costs: LinkCosts, from: NodeId, route: Route): number {
  let cost = 0;
  let at = from;
  for (const next of route) {
    cost += costs.get(at)?.get(next) ?? Number.POSITIVE_INFINITY;
    at = next;
  }
  return cost;
}

/** The best route to each node that can be reached (Dijkstra's algorithm). */
export function cheapestRoutes(
  costs: LinkCosts,
  from: NodeId,
  isClosed: (from: NodeId, to: NodeId) => boolean = () => false,
): ReadonlyMap<NodeId, CostedRoute> {
  const best = new Map<NodeId, CostedRoute>();
  const known = new Map<NodeId, CostedRoute>();
  const frontier = new RouteHeap();
  const widen = (at: NodeId, reached: CostedRoute | undefined): void => {
    const length = reached?.route.length ?? 0;
    if (length === ROUTE_NODES_MAX) return;
    for (const [next, step] of costs.get(at) ?? []) {
      const cost = (reached?.cost ?? 0) + step;
      const before = known.get(next);
      if (before !== undefined && before.cost < cost) continue; // by far the most: before anything is built
      if (next === from || best.has(next) || isClosed(at, next)) continue;
      const found = { route: [...(reached?.route ?? []), next] as unknown as Route, cost };
      if (before !== undefined && compareRoutes(found, before) >= 0) continue;
      known.set(next, found);
      frontier.push(found);
    }
  };
  widen(from, undefined);
  for (let reached = frontier.pop(); reached !== undefined; reached = frontier.pop()) {
    const node = reached.route.at(-1)!;
    if (best.has(node)) continue; // a better one came first
    best.set(node, reached);
    widen(node, reached);
  }
  return best;
}

/** The least first, by `compareRoutes`. */
class RouteHeap {
  readonly #routes: CostedRoute[] = [];

  push(route: CostedRoute): void {
    const routes = this.#routes;
    let at = routes.push(route) - 1;
    for (let above = (at - 1) >>> 1; at > 0 && compareRoutes(route, routes[above]!) < 0; above = (at - 1) >>> 1) {
      routes[at] = routes[above]!;
      at = above;
    }
    routes[at] = route;
  }

  pop(): CostedRoute | undefined {
    const routes = this.#routes;
    const least = routes[0];
    const last = routes.pop();
    if (last === undefined || routes.length === 0) return least;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= routes.length) break;
      if (below + 1 < routes.length && compareRoutes(routes[below + 1]!, routes[below]!) < 0) below += 1;
      if (compareRoutes(last, routes[below]!) <= 0) break;
      routes[at] = routes[below]!;
      at = below;
    }
    routes[at] = last;
    return least;
  }
}

/** The `countMax` best routes without a node twice, the best first (Yen's algorithm). */
export function cheapestRoutesTo(costs: LinkCosts, { from, to }: RouteEnds, countMax: number): readonly CostedRoute[] {
  const best = cheapestRoutes(costs, from).get(to);
  const found: CostedRoute[] = best === undefined || countMax < 1 ? [] : [best];
  const candidates = new Map<string, CostedRoute>();
  while (found.length > 0 && found.length < countMax) {
    const last = found.at(-1)!.route;
    for (let at = 0; at < last.length; at++) {
      const root = last.slice(0, at);
      const spur = root.at(-1) ?? from;
      const taken = new Set(found.filter(({ route }) => startsWith(route, root)).map(({ route }) => route[at]));
      const passed = new Set(root);
      const isClosed = (a: NodeId, b: NodeId): boolean => passed.has(b) || b === from || (a === spur && taken.has(b));
      const rest = cheapestRoutes(costs, spur, isClosed).get(to);
      if (rest === undefined || at + rest.route.length > ROUTE_NODES_MAX) continue;
      const route = [...root, ...rest.route] as unknown as Route;
      candidates.set(route.join("\n"), { route, cost: routeCost(costs, from, route) });
    }
    const next = [...candidates].sort((a, b) => compareRoutes(a[1], b[1]))[0];
    if (next === undefined) break;
    candidates.delete(next[0]);
    found.push(next[1]);
  }
  return found;
}

const startsWith = (route: Route, root: readonly NodeId[]): boolean => root.every((node, i) => route[i] === node);
