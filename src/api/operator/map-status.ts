/** The network as one node knows it: nodes, links with the pad at both ends, and the ways that relays take. */
import type { NodeId } from "../../model/ids.ts";
import type { EndSays, MappedLink } from "../../topology/network-map.ts";
import type { Topology } from "../../topology/topology.ts";

/** Searching takes time with the number of nodes: beyond this, alternatives are not told. */
const ALTERNATIVES_NODES_MAX = 32;
const ALTERNATIVES_MAX = 3;

export interface MapStatus {
  readonly nodes: readonly MappedNodeStatus[];
  readonly links: readonly MappedLinkStatus[];
  readonly routes: readonly RouteStatus[];
}

export interface MappedNodeStatus {
  readonly node: NodeId;
  /** Since it spoke of itself last; missing where it was not heard. */
  readonly ageMs?: number;
}

export interface MappedLinkStatus {
  readonly ends: readonly [NodeId, NodeId];
  /** up: both ends say so. one-sided: only one of them does; no relay goes there. */
  readonly state: "up" | "one-sided" | "down";
  /** What each end says of its own direction, in the order of `ends`; null where it was not heard. */
  readonly says: readonly [EndSays | null, EndSays | null];
}

export interface RouteStatus {
  readonly to: NodeId;
  /** The way that relays take now; missing while there is none. */
  readonly route?: readonly NodeId[];
  /** The cheapest ways, the cheapest first. */
  readonly alternatives?: readonly (readonly NodeId[])[];
  /** Ways that share no node: with two or more of them, no single node or link is missed. */
  readonly disjoint?: readonly (readonly NodeId[])[];
}

/** @param remotes  nodes to which there has to be a route, whether or not the map knows them */
export function mapStatusOf({ map, router }: Topology, remotes: readonly NodeId[]): MapStatus {
  const known = router.nodes();
  const nodes = [...new Set([map.self, ...known])].sort();
  const small = nodes.length <= ALTERNATIVES_NODES_MAX;
  return {
    nodes: nodes.map((node) => {
      const ageMs = node === map.self ? 0 : map.advert(node)?.ageMs;
      return { node, ...(ageMs === undefined ? {} : { ageMs }) };
    }),
    links: map.links().map(linkStatus),
    routes: [...new Set([...known, ...remotes])].sort().map((to) => {
      const route = router.route(to);
      if (route === undefined) return { to };
      if (!small) return { to, route };
      const alternatives = router.routes(to, ALTERNATIVES_MAX);
      return { to, route, alternatives, disjoint: router.disjointRoutes(to, ALTERNATIVES_MAX) };
    }),
  };
}

function linkStatus({ ends, says: [one, other] }: MappedLink): MappedLinkStatus {
  const ups = [one, other].filter((end) => end?.state === "up").length;
  return { ends, state: ups === 2 ? "up" : ups === 1 ? "one-sided" : "down", says: [one ?? null, other ?? null] };
}
