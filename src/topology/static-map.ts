/** Routes over a map that the configuration gives: fewest hops, ties by name. */
import type { NodeId } from "../model/ids.ts";
import type { Route, Router } from "./router.ts";

/** @param links  all QKD links of the network, as pairs of nodes */
export function createStaticRouter(self: NodeId, links: readonly (readonly [NodeId, NodeId])[]): Router {
  const cameFrom = shortestPathTree(self, neighboursOf(links));
  return {
    route(destination) {
      if (destination === self || !cameFrom.has(destination)) return undefined;
      const route: NodeId[] = [];
      for (let node = destination; node !== self; node = cameFrom.get(node)!) route.unshift(node);
      return route as unknown as Route;
    },
    nodes: () => [...cameFrom.keys()].filter((node) => node !== self).sort(),
  };
}

function neighboursOf(links: readonly (readonly [NodeId, NodeId])[]): ReadonlyMap<NodeId, readonly NodeId[]> {
  const neighbours = new Map<NodeId, NodeId[]>();
  for (const [one, other] of links) {
    neighbours.set(one, [...(neighbours.get(one) ?? []), other]);
    neighbours.set(other, [...(neighbours.get(other) ?? []), one]);
  }
  for (const list of neighbours.values()) list.sort();
  return neighbours;
}

/** From which node each node is reached first, breadth first. */
function shortestPathTree(
  root: NodeId,
  neighbours: ReadonlyMap<NodeId, readonly NodeId[]>,
): ReadonlyMap<NodeId, NodeId> {
  const cameFrom = new Map<NodeId, NodeId>([[root, root]]);
  const frontier: NodeId[] = [root];
  for (let node = frontier.shift(); node !== undefined; node = frontier.shift()) {
    for (const next of neighbours.get(node) ?? []) {
      if (cameFrom.has(next)) continue;
      cameFrom.set(next, node);
      frontier.push(next);
    }
  }
  return cameFrom;
}
