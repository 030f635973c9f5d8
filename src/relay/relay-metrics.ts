/** Metrics of relays and end-to-end pools. */
import type { Counter, Gauge, Histogram, MetricsRegistry } from "../runtime/metrics.ts";

export interface RelayMetrics {
  readonly relays: Counter<"role" | "result">;
  readonly duration: Histogram<"hops">;
  readonly frames: Counter<"role">;
  readonly reservations: Counter<"role" | "result">;
  readonly poolBits: Gauge<"remote" | "direction" | "class" | "state">;
  readonly poolKeyBits: Gauge<"remote" | "direction" | "class" | "use">;
}

export function createRelayMetrics(registry: MetricsRegistry): RelayMetrics {
  const pool = ["remote", "direction", "class"] as const;
  return {
    relays: registry.counter({
      name: "qkdn_relay_total",
      help: "Relays by our role in them and how they ended.",
      labels: ["role", "result"],
    }),
    duration: registry.histogram({
      name: "qkdn_relay_duration_seconds",
      help: "From the first frame of a relay to its proof, at the origin.",
      labels: ["hops"],
      buckets: [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5],
    }),
    frames: registry.counter({ name: "qkdn_relay_frames_total", help: "Frames under a pad.", labels: ["role"] }),
    reservations: registry.counter({
      name: "qkdn_relay_reservations_total",
      help: "Reservations of pad ahead of a relay, by our role in them and what became of them.",
      labels: ["role", "result"],
    }),
    poolBits: registry.gauge({
      name: "qkdn_pool_bits",
      help: "Pre-established key by pool.",
      labels: [...pool, "state"],
    }),
    poolKeyBits: registry.gauge({
      name: "qkdn_pool_key_bits",
      help: "Where all key of the pool went since the store began; received is the sum of all other uses.",
      labels: [...pool, "use"],
    }),
  };
}
