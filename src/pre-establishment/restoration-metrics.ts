/** Metrics of how long service was interrupted (availability in ITU-T Y.3807). */
import type { Gauge, Histogram, MetricsRegistry } from "../runtime/metrics.ts";

export interface RestorationMetrics {
  readonly restoration: Histogram<"remote" | "lost">;
  readonly outage: Gauge<"remote" | "class" | "lost">;
}

export function createRestorationMetrics(registry: MetricsRegistry): RestorationMetrics {
  return {
    restoration: registry.histogram({
      name: "qkdn_service_restoration_seconds",
      help: "From the loss of supply (a request sent away) or of the route, until the pool is at its low mark again (ITU-T Y.3807, 8.6.1).",
      labels: ["remote", "lost"],
      buckets: [0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800],
    }),
    outage: registry.gauge({
      name: "qkdn_service_outage_seconds",
      help: "How long supply, or the route, has been lost by now; 0 while all is well.",
      labels: ["remote", "class", "lost"],
    }),
  };
}
