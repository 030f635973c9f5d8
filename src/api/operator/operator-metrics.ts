/** Metrics of what an operator has to look at: alarms, certificates, the disk, and which version runs. */
import { HOUR_MS, SECOND_MS } from "../../model/units.ts";
import type { Gauge, MetricsRegistry } from "../../runtime/metrics.ts";
import { ALARM_TYPES, alarmsOf, type NodeStatus } from "./node-status.ts";

export interface OperatorMetrics {
  readonly alarms: Gauge<"severity" | "type">;
  readonly ready: Gauge<never>;
  readonly draining: Gauge<never>;
  readonly version: Gauge<"version">;
  readonly diskFree: Gauge<never>;
  readonly certificate: Gauge<"use">;
}

export function createOperatorMetrics(registry: MetricsRegistry): OperatorMetrics {
  return {
    alarms: registry.gauge({
      name: "qkdn_alarm_active",
      help: "Alarms of that type now; qkdctl status has their sentences.",
      labels: ["severity", "type"],
    }),
    ready: registry.gauge({ name: "qkdn_node_ready", help: "1 while SAEs may be sent here.", labels: [] }),
    draining: registry.gauge({
      name: "qkdn_node_draining",
      help: "1 while an operator takes the node out of service.",
      labels: [],
    }),
    version: registry.gauge({ name: "qkdn_build_info", help: "1, for the version that runs.", labels: ["version"] }),
    diskFree: registry.gauge({
      name: "qkdn_store_disk_free_bytes",
      help: "Free on the disk of the store, for this user.",
      labels: [],
    }),
    certificate: registry.gauge({
      name: "qkdn_certificate_expiry_seconds",
      help: "Until a certificate expires: ours for peers or SAEs, or that of a peer.",
      labels: ["use"],
    }),
  };
}

export function collectOperator(metrics: OperatorMetrics, status: NodeStatus): void {
  const alarms = alarmsOf(status);
  for (const [type, severity] of Object.entries(ALARM_TYPES)) {
    metrics.alarms.set({ severity, type }, alarms.filter((alarm) => alarm.type === type).length);
  }
  metrics.ready.set({}, status.health.ready ? 1 : 0);
  metrics.draining.set({}, status.draining === true ? 1 : 0);
  metrics.version.set({ version: status.version }, 1);
  if (status.store.diskFreeBytes !== undefined) metrics.diskFree.set({}, status.store.diskFreeBytes);
  for (const { use, daysLeft } of status.certificates ?? []) {
    metrics.certificate.set({ use }, (daysLeft * 24 * HOUR_MS) / SECOND_MS);
  }
}
