/** Metrics as Prometheus scrapes them. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { createApiMetrics } from "../../../src/api/api-metrics.ts";
import { parseKeyClass } from "../../../src/model/ids.ts";
import { createPrometheusRegistry } from "../../../src/io/prometheus-registry.ts";

describe("the metrics registry", () => {
  test("counters, gauges and histograms appear with help, type and labels", async () => {
    const registry = createPrometheusRegistry({ ofProcess: false });
    const opened = registry.counter({ name: "qkdn_opened_total", help: "Opened.", labels: ["link"] });
    const stock = registry.gauge({ name: "qkdn_stock_bytes", help: "Stock.", labels: [] });
    registry.histogram({ name: "qkdn_wait_seconds", help: "Wait.", labels: [], buckets: [1, 2] }).observe({}, 1.5);
    opened.add({ link: "a--b" });
    opened.add({ link: "a--b" }, 2);
    registry.beforeScrape(() => stock.set({}, 42));
    const { contentType, text } = await registry.text();
    assert.match(contentType, /^text\/plain; version=0\.0\.4/);
    assert.match(
      text,
      /# HELP qkdn_opened_total Opened\.\n# TYPE qkdn_opened_total counter\nqkdn_opened_total\{link="a--b"\} 3\n/,
    );
    assert.match(text, /\nqkdn_stock_bytes 42\n/);
    assert.match(text, /qkdn_wait_seconds_bucket\{le="1"\} 0\nqkdn_wait_seconds_bucket\{le="2"\} 1\n/);
    assert.doesNotMatch(text, /process_|nodejs_/);
  });

  test("a total that a ledger keeps is a counter with the ledger's value", async () => {
    const registry = createPrometheusRegistry({ ofProcess: false });
    const total = registry.runningTotal({ name: "qkdn_used_total", help: "Used.", labels: ["use"] });
    for (const value of [7, 12]) total.set({ use: "otp" }, value);
    total.set({ use: "mac" }, 1);
    const { text } = await registry.text();
    assert.match(text, /# TYPE qkdn_used_total counter\n(qkdn_used_total\{use="\w+"\} \d+\n?)+/);
    assert.match(text, /qkdn_used_total\{use="otp"\} 12$/m);
    assert.match(text, /qkdn_used_total\{use="mac"\} 1$/m);
  });

  test("two registries do not meet, and one name is declared once", () => {
    const declaration = { name: "qkdn_x_total", help: "X.", labels: [] } as const;
    const registry = createPrometheusRegistry({ ofProcess: false });
    registry.counter(declaration);
    createPrometheusRegistry({ ofProcess: false }).counter(declaration);
    assert.throws(() => registry.counter(declaration), /already been registered/);
  });

  test("the process's own metrics have no gauge that is called a total", async () => {
    const { text } = await createPrometheusRegistry({ ofProcess: true }).text();
    assert.match(text, /\nprocess_cpu_seconds_total \d/);
    assert.match(text, /\nnodejs_eventloop_lag_p99_seconds /);
    const gauges = [...text.matchAll(/^# TYPE (\S+) gauge$/gm)].map(([, name]) => name!);
    assert.ok(gauges.length > 10);
    assert.deepEqual(
      gauges.filter((name) => name.endsWith("_total")),
      [],
    );
  });

  test("requests of SAEs are counted by method and result, deliveries by what became of them", async () => {
    const registry = createPrometheusRegistry({ ofProcess: false });
    const metrics = createApiMetrics(registry, []);
    const outcome = { api: "etsi014", delayMs: 0.4, forKey: true, from: undefined };
    const from = { source: "pool", keyClass: parseKeyClass("gold") } as const;
    metrics.observe({ ...outcome, method: "enc_keys", result: "ok", status: 200, from });
    metrics.observe({ ...outcome, method: "enc_keys", result: "ok", status: 200, from });
    metrics.observe({ ...outcome, method: "enc_keys", result: "key_shortage", status: 503 });
    metrics.observe({ ...outcome, method: "dec_keys", result: "key_foreign", status: 401 });
    metrics.observe({ ...outcome, method: "status", result: "ok", status: 200, forKey: false });
    metrics.replyLost("etsi014");
    const { text } = await registry.text();
    for (const line of [
      'qkdn_ksa_requests_total{api="etsi014",method="enc_keys",result="key_shortage"} 1',
      'qkdn_ksa_delivery_total{api="etsi014",result="ok"} 2',
      'qkdn_ksa_delivery_total{api="etsi014",result="refused"} 1',
      'qkdn_ksa_delivery_total{api="etsi014",result="error"} 1',
      'qkdn_ksa_delivery_total{api="etsi014",result="lost"} 1',
      'qkdn_ksa_response_delay_seconds_bucket{le="0.0005",api="etsi014",method="enc_keys",source="pool",class="gold"} 2',
      'qkdn_ksa_response_delay_seconds_count{api="etsi014",method="enc_keys",source="pool",class="gold"} 2',
    ]) {
      assert.ok(text.includes(`${line}\n`), line);
    }
  });
});
