/** The catalogue of metrics: documented, and named as Prometheus and the standards would have it. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { declaredMetrics, documentedTable, tableOf } from "./metrics-table.ts";

const metrics = await declaredMetrics();

test("docs/metrics.md has the metrics that the code declares (node test/architecture/metrics-table.ts writes it)", () => {
  assert.equal(documentedTable(), tableOf(metrics));
});

test("every name is declared once, counters and only they end in _total, no label can hold an id of a key or a relay", () => {
  const names = metrics.map(({ name }) => name);
  assert.deepEqual(
    names.filter((name, at) => names.indexOf(name) !== at),
    [],
  );
  for (const { name, type, labels, help } of metrics) {
    assert.equal(name.endsWith("_total"), type === "counter", name);
    assert.match(help, /^[A-Z0-9].*\.$/, `${name}: a sentence`);
    for (const label of labels) assert.doesNotMatch(label, /key_?id|relay|serial|segment/i, name);
  }
});

/** The metrics of the catalogue, and the labels that it asks for; we may have more of them. */
const CATALOGUE: Readonly<Record<string, readonly string[]>> = {
  qkdn_link_skr_bits_per_second: ["link"],
  qkdn_link_eskr_bits_per_second: ["link"],
  qkdn_link_expected_consumption_bits_per_second: ["link"],
  qkdn_link_qber_ratio: ["link"],
  qkdn_link_status: ["link"],
  qkdn_link_stock_bits: ["link", "state"],
  qkdn_link_key_bits_total: ["link", "use"],
  qkdn_relay_total: ["role", "result", "hops"],
  qkdn_relay_duration_seconds: ["role", "result", "hops"],
  qkdn_pool_keys: ["pair", "direction", "class", "state"],
  qkdn_pool_watermark_keys: ["pair", "direction", "kind"],
  qkdn_pool_hit_total: ["pair", "class"],
  qkdn_pool_miss_total: ["pair", "class"],
  qkdn_pool_waste_keys_total: ["pair", "cause"],
  qkdn_pool_autonomy_seconds: ["pair"],
  qkdn_ksa_response_delay_seconds: ["api", "source", "class"],
  qkdn_ksa_delivery_total: ["api", "result"],
  qkdn_ksa_supplied_bits_total: ["app", "pair"],
  qkdn_service_restoration_seconds: ["pair"],
  qkdn_demand_keys_per_second: ["pair"],
  qkdn_demand_forecast_error_ratio: ["pair"],
  qkdn_alarm_active: ["severity", "type"],
};

test("the catalogue is there", () => {
  for (const [name, labels] of Object.entries(CATALOGUE)) {
    const declared = metrics.find((metric) => metric.name === name);
    assert.ok(declared !== undefined, name);
    for (const label of labels) assert.ok(declared.labels.includes(label), `${name} by ${label}`);
  }
});
