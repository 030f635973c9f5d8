/** Metrics of the store. */
import type { Counter, Histogram, MetricsRegistry } from "../runtime/metrics.ts";

export interface StoreMetrics {
  readonly commits: Counter<never>;
  readonly commitSeconds: Histogram<never>;
  readonly sealedBytes: Counter<never>;
}

export function createStoreMetrics(registry: MetricsRegistry): StoreMetrics {
  return {
    commits: registry.counter({ name: "qkdn_store_commits_total", help: "Durable group commits.", labels: [] }),
    commitSeconds: registry.histogram({
      name: "qkdn_store_commit_seconds",
      help: "Time of a durable group commit: key bag, records, key bag.",
      labels: [],
      buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5],
    }),
    sealedBytes: registry.counter({
      name: "qkdn_store_sealed_bytes_total",
      help: "Key material written, in bytes before sealing.",
      labels: [],
    }),
  };
}
