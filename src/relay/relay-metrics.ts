/** Metrics of relays and end-to-end pools. */
import { SECOND_MS } from "../model/units.ts";
import type { MonotonicMs } from "../runtime/clock.ts";
import type { Counter, Gauge, MetricsRegistry, RunningTotal } from "../runtime/metrics.ts";

/** What a relay was to this node, and how it ended. */
export interface EndedRelay {
  readonly role: "origin" | "transit" | "destination";
  /** "established", or why not. */
  readonly result: string;
  /** Links that the route has. */
  readonly hops: number;
  /** From its first frame here. */
  readonly durationMs: MonotonicMs;
}

export interface RelayMetrics {
  readonly ended: (relay: EndedRelay) => void;
  readonly frames: Counter<"role">;
  readonly reservations: Counter<"role" | "result">;
  readonly poolBits: Gauge<"remote" | "direction" | "class" | "state">;
  readonly poolKeyBits: RunningTotal<"remote" | "direction" | "class" | "use">;
  readonly waste: RunningTotal<"remote" | "direction" | "class" | "cause">;
}

export function createRelayMetrics(registry: MetricsRegistry): RelayMetrics {
  const pool = ["remote", "direction", "class"] as const;
  const relay = ["role", "result", "hops"] as const;
  const relays = registry.counter({
    name: "qkdn_relay_total",
    help: "Relays by our role in them, how they ended, and the links of their route.",
    labels: relay,
  });
  const duration = registry.histogram({
    name: "qkdn_relay_duration_seconds",
    help: "From the first frame of a relay at this node to its proof, or to its end without one.",
    labels: relay,
    buckets: [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5],
  });
  return {
    ended({ role, result, hops, durationMs }) {
      const labels = { role, result, hops: String(hops) };
      relays.add(labels);
      duration.observe(labels, durationMs / SECOND_MS);
    },
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
    poolKeyBits: registry.runningTotal({
      name: "qkdn_pool_key_bits_total",
      help: "Key that relays generated for the pool since the store began, and what it was used for, or lost as.",
      labels: [...pool, "use"],
    }),
    waste: registry.runningTotal({
      name: "qkdn_pool_waste_keys_total",
      help: "Keys of the usual size that nobody will ever get: expired, or voided (burned, and rests too short for a key).",
      labels: [...pool, "cause"],
    }),
  };
}
