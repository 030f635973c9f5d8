/** Metrics of the audit trail: lines by event, and those that could not be kept. */
import type { Counter, Gauge, MetricsRegistry } from "../runtime/metrics.ts";

export interface AuditMetrics {
  readonly records: Counter<"type">;
  readonly lost: Counter<never>;
  readonly failing: Gauge<never>;
  readonly sequence: Gauge<never>;
}

export function createAuditMetrics(registry: MetricsRegistry): AuditMetrics {
  return {
    records: registry.counter({
      name: "qkdn_audit_records_total",
      help: "Events for the audit trail, by type.",
      labels: ["type"],
    }),
    lost: registry.counter({
      name: "qkdn_audit_lost_total",
      help: "Events that could not be kept, because the trail could not be written for too long.",
      labels: [],
    }),
    failing: registry.gauge({
      name: "qkdn_audit_failing",
      help: "1 while the audit trail cannot be written.",
      labels: [],
    }),
    sequence: registry.gauge({
      name: "qkdn_audit_sequence",
      help: "Sequence number of the last durable line of the audit trail: it never goes down.",
      labels: [],
    }),
  };
}
