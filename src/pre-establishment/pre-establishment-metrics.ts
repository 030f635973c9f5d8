/** Metrics of the pre-establishment loop. */
import type { Counter, Gauge, MetricsRegistry } from "../runtime/metrics.ts";

export interface PreEstablishmentMetrics {
  readonly keys: Gauge<"remote" | "direction" | "class" | "state">;
  readonly watermark: Gauge<"remote" | "direction" | "class" | "kind">;
  readonly demand: Gauge<"remote" | "class">;
  readonly autonomy: Gauge<"remote" | "class">;
  readonly leadTime: Gauge<"remote" | "class">;
  readonly forecastError: Gauge<"remote" | "class">;
  readonly orders: Counter<"remote" | "class" | "result">;
}

export function createPreEstablishmentMetrics(registry: MetricsRegistry): PreEstablishmentMetrics {
  return {
    keys: registry.gauge({
      name: "qkdn_pool_keys",
      help: "Whole keys of the usual size, available or in flight.",
      labels: ["remote", "direction", "class", "state"],
    }),
    watermark: registry.gauge({
      name: "qkdn_pool_watermark_keys",
      help: "What the strategy aims at: low and target.",
      labels: ["remote", "direction", "class", "kind"],
    }),
    demand: registry.gauge({
      name: "qkdn_demand_keys_per_second",
      help: "Demand as measured, in keys of the usual size.",
      labels: ["remote", "class"],
    }),
    autonomy: registry.gauge({
      name: "qkdn_pool_autonomy_seconds",
      help: "How long the stock would last at the demand of the last minute; +Inf without demand.",
      labels: ["remote", "class"],
    }),
    leadTime: registry.gauge({
      name: "qkdn_pool_lead_time_seconds",
      help: "From the need of key to its use at both ends, as relays took lately; NaN before the first.",
      labels: ["remote", "class"],
    }),
    forecastError: registry.gauge({
      name: "qkdn_demand_forecast_error_ratio",
      help: "Error of the forecasts over ten seconds, over demand; 0 is perfect, NaN before any demand.",
      labels: ["remote", "class"],
    }),
    orders: registry.counter({
      name: "qkdn_preestablishment_orders_total",
      help: "Relays that the loop ordered, by how they ended.",
      labels: ["remote", "class", "result"],
    }),
  };
}
