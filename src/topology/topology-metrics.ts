/** Metrics of the network map. */
import type { Counter, Gauge, MetricsRegistry } from "../runtime/metrics.ts";

export interface TopologyMetrics {
  readonly sent: Counter<never>;
  readonly received: Counter<"verdict">;
  readonly nodes: Gauge<never>;
  readonly linksUp: Gauge<never>;
  readonly routeHops: Gauge<"remote">;
}

export function createTopologyMetrics(registry: MetricsRegistry): TopologyMetrics {
  return {
    sent: registry.counter({
      name: "qkdn_topology_adverts_sent_total",
      help: "Adverts given to neighbours: our own and those passed on.",
      labels: [],
    }),
    received: registry.counter({
      name: "qkdn_topology_adverts_received_total",
      help: "Adverts by what became of them; all but news are ignored.",
      labels: ["verdict"],
    }),
    nodes: registry.gauge({
      name: "qkdn_topology_nodes",
      help: "Nodes that the map knows, this one among them.",
      labels: [],
    }),
    linksUp: registry.gauge({
      name: "qkdn_topology_links_up",
      help: "QKD links of the whole network that both ends advertise as up.",
      labels: [],
    }),
    routeHops: registry.gauge({
      name: "qkdn_route_hops",
      help: "Hops of the route now used to a node that we share a pool with; 0 while there is none.",
      labels: ["remote"],
    }),
  };
}
