/** Metrics of key supply: pool hits and misses, keys and bits supplied. */
import type { PoolId } from "../relay/pool-records.ts";
import type { Counter, MetricsRegistry } from "../runtime/metrics.ts";
import type { MissCause } from "./demand-listener.ts";

export interface SupplyMetrics {
  readonly hits: Counter<"remote" | "class">;
  readonly misses: Counter<"remote" | "class" | "cause">;
  readonly keys: Counter<"remote" | "role">;
  readonly bits: Counter<"app" | "remote" | "role">;
  readonly refusals: Counter<"role" | "reason">;
}

export function createSupplyMetrics(registry: MetricsRegistry): SupplyMetrics {
  return {
    hits: registry.counter({
      name: "qkdn_pool_hit_total",
      help: "Requests that the pre-established pool served at once.",
      labels: ["remote", "class"],
    }),
    misses: registry.counter({
      name: "qkdn_pool_miss_total",
      help: "Requests that found the pool too short: latency (the route had pad to relay) or supply (it had none).",
      labels: ["remote", "class", "cause"],
    }),
    keys: registry.counter({
      name: "qkdn_ksa_supplied_keys_total",
      help: "Keys supplied, to initiators and to targets.",
      labels: ["remote", "role"],
    }),
    bits: registry.counter({
      name: "qkdn_ksa_supplied_bits_total",
      help: "Key supplied, in bits, by the SAE that asked (throughput of ITU-T Y.3807; ETSI GS QKD 015: consumed_bits).",
      labels: ["app", "remote", "role"],
    }),
    refusals: registry.counter({
      name: "qkdn_ksa_refused_total",
      help: "Requests refused, by error code.",
      labels: ["role", "reason"],
    }),
  };
}

/** A counter that nothing has happened to is 0, and not missing: only so can it be watched. */
export function announcePool({ hits, misses }: SupplyMetrics, { remote, keyClass }: PoolId): void {
  hits.add({ remote, class: keyClass }, 0);
  for (const cause of ["latency", "supply"] satisfies MissCause[]) misses.add({ remote, class: keyClass, cause }, 0);
}
