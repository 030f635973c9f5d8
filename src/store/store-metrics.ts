/** Metrics of the store. */
import type { Counter, Gauge, Histogram, MetricsRegistry } from "../runtime/metrics.ts";

export interface StoreMetrics {
  readonly commits: Counter<never>;
  readonly commitSeconds: Histogram<never>;
  readonly sealedBytes: Counter<never>;
  readonly damagedChunks: Counter<never>;
  readonly rewraps: Counter<never>;
  readonly wrapAge: Gauge<never>;
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
    damagedChunks: registry.counter({
      name: "qkdn_store_damaged_chunks_total",
      help: "Sealed pieces of key that the disk gave back damaged; they are burned.",
      labels: [],
    }),
    rewraps: registry.counter({
      name: "qkdn_store_rewraps_total",
      help: "Times that all data keys were wrapped anew, which makes earlier copies of the disk worthless.",
      labels: [],
    }),
    wrapAge: registry.gauge({
      name: "qkdn_store_wrap_age_seconds",
      help: "Time since the data keys were wrapped anew, or since the start.",
      labels: [],
    }),
  };
}
