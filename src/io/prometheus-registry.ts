/** The metrics of one node for Prometheus: what the folders declared, and how the process itself is doing. */
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from "prom-client";

import type { MetricsRegistry } from "../runtime/metrics.ts";

export interface PrometheusRegistry extends MetricsRegistry {
  /** All metrics in the text format, after the collectors of this moment have run. */
  text(): Promise<{ readonly contentType: string; readonly text: string }>;
}

/** Gauges that Node.js's collectors call `_total`, which `promtool check metrics` refuses; their parts by type stay. */
const MISNAMED = ["nodejs_active_handles_total", "nodejs_active_requests_total", "nodejs_active_resources_total"];

/**
 * A registry of its own, so that two nodes in one process do not meet.
 *
 * @param options.ofProcess  also `process_*` and `nodejs_*`, under the names that dashboards know; once per process
 */
export function createPrometheusRegistry(options: { readonly ofProcess: boolean }): PrometheusRegistry {
  const register = new Registry();
  const registers = [register];
  if (options.ofProcess) {
    collectDefaultMetrics({ register });
    for (const name of MISNAMED) register.removeSingleMetric(name);
  }
  const collectors: (() => void)[] = [];
  return {
    counter({ name, help, labels }) {
      const counter = new Counter({ name, help, labelNames: labels, registers });
      return { add: (values, amount = 1) => counter.inc(values, amount) };
    },
    runningTotal({ name, help, labels }) {
      const counter = new Counter({ name, help, labelNames: labels, registers });
      return {
        set(values, value) {
          counter.remove(values);
          counter.inc(values, value);
        },
      };
    },
    gauge({ name, help, labels }) {
      const gauge = new Gauge({ name, help, labelNames: labels, registers });
      return { set: (values, value) => gauge.set(values, value) };
    },
    histogram({ name, help, labels, buckets }) {
      const histogram = new Histogram({ name, help, labelNames: labels, buckets: [...buckets], registers });
      return { observe: (values, value) => histogram.observe(values, value) };
    },
    beforeScrape: (collect) => void collectors.push(collect),
    async text() {
      for (const collect of collectors) collect();
      return { contentType: register.contentType, text: await register.metrics() };
    },
  };
}
