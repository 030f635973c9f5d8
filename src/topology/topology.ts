/** What a node knows of the network, and how it keeps that up to date. */
import type { NodeId } from "../model/ids.ts";
import type { MetricsRegistry } from "../runtime/metrics.ts";
import { AdvertFlood, type AdvertFloodParts } from "./advert-flood.ts";
import { createMapRouter } from "./map-router.ts";
import { NetworkMap } from "./network-map.ts";
import type { Router } from "./router.ts";
import { createTopologyMetrics } from "./topology-metrics.ts";

export interface TopologyParts extends Pick<AdvertFloodParts, "epoch" | "links" | "ownLinks" | "clock"> {
  readonly self: NodeId;
  readonly metrics: MetricsRegistry;
  /** Nodes whose routes are measured. */
  readonly remotes: readonly NodeId[];
}

export interface Topology {
  readonly map: NetworkMap;
  readonly router: Router;
  readonly flood: AdvertFlood;
}

export function createTopology({ self, remotes, metrics: registry, ...parts }: TopologyParts): Topology {
  const metrics = createTopologyMetrics(registry);
  const map = new NetworkMap(self, parts.clock);
  const router = createMapRouter(map, parts.clock);
  registry.beforeScrape(() => {
    metrics.nodes.set({}, 1 + router.nodes().length);
    const up = map.links().filter(({ says }) => says.every((end) => end?.state === "up"));
    metrics.linksUp.set({}, up.length);
    for (const remote of remotes) metrics.routeHops.set({ remote }, router.route(remote)?.length ?? 0);
  });
  return { map, router, flood: new AdvertFlood({ ...parts, map, metrics }) };
}
