/** Metrics of keys that come as shares over disjoint routes. */
import type { Counter, Gauge, MetricsRegistry } from "../runtime/metrics.ts";

export interface SplitMetrics {
  readonly splitKeys: Counter<"result">;
  readonly splitShares: Counter<"result">;
  readonly disjointRoutes: Gauge<"remote" | "class" | "kind">;
  readonly degradedBits: Gauge<"remote" | "direction" | "class">;
}

export function createSplitMetrics(registry: MetricsRegistry): SplitMetrics {
  return {
    splitKeys: registry.counter({
      name: "qkdn_split_keys_total",
      help: "Attempts of ours to bring key as several shares over disjoint routes, by how they ended.",
      labels: ["result"],
    }),
    splitShares: registry.counter({
      name: "qkdn_split_shares_total",
      help: "Shares that we sent: held by the target, or lost; a lost one is replaced by a fresh one.",
      labels: ["result"],
    }),
    disjointRoutes: registry.gauge({
      name: "qkdn_pool_disjoint_routes",
      help: "Node-disjoint routes that a pool's policy wants, and how many of them there are now.",
      labels: ["remote", "class", "kind"],
    }),
    degradedBits: registry.gauge({
      name: "qkdn_pool_degraded_bits",
      help: "Stock that came by fewer disjoint routes than the pool's policy wants.",
      labels: ["remote", "direction", "class"],
    }),
  };
}
