/** The demo network under a real Prometheus with the rules that are shipped: every expression has an answer, and a broken fibre an alert. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { askControl } from "../../src/emulator/control.ts";
import { documentedNames } from "../architecture/metrics-table.ts";
import { until } from "./daemon-process.ts";
import { type DemoJson, DemoProcess } from "./demo-process.ts";
import {
  alertRules,
  labelsShown,
  measured,
  MONITORING,
  panels,
  readMonitoring,
  substituted,
} from "./monitoring-files.ts";
import { type ActiveAlert, promtool, PrometheusServer, whyNoPrometheus } from "./prometheus.ts";
import { idsOf, SaeClient } from "./sae-client.ts";

const skip = whyNoPrometheus();

describe("the files under monitoring/", { skip }, () => {
  test("are right, and each rule has an example in which it fires for one node and not for the other", () => {
    for (const words of [
      ["check", "config", join(MONITORING, "prometheus.yml")],
      ["check", "rules", join(MONITORING, "alerts.yml")],
      ["test", "rules", join(MONITORING, "alerts.test.yml")],
    ]) {
      const { code, said } = promtool(words);
      assert.equal(code, 0, said);
    }
    const examples = Array.from(
      readMonitoring("alerts.test.yml").matchAll(/^ {2}- name: (\w+)$/gm),
      ([, name]) => name!,
    );
    assert.deepEqual(
      examples,
      alertRules.map(({ alert }) => alert),
    );
  });

  test("each alert says what it is, what it means and what to do", () => {
    for (const { alert, labels, annotations } of alertRules) {
      assert.match(labels["severity"] ?? "", /^(critical|warning)$/, alert);
      assert.deepEqual(Object.keys(annotations), ["summary", "description", "action"], alert);
    }
  });

  test("the panels of the dashboard have names, explanations and places of their own", () => {
    const shown = panels.filter(({ type }) => type !== "row");
    assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
    assert.equal(new Set(shown.map(({ title }) => title)).size, shown.length);
    const taken = new Set<string>();
    for (const { title, description, gridPos, targets } of shown) {
      assert.ok((description ?? "").length > 10 && targets!.length > 0, title);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          assert.ok(x < 24 && !taken.has(`${x} ${y}`), `${title} lies on another panel`);
          taken.add(`${x} ${y}`);
        }
      }
    }
  });
});

describe("the demo network under Prometheus", { skip }, () => {
  let folder: string;
  let demo: DemoProcess;
  let network: DemoJson;
  let prometheus: PrometheusServer;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "qkdnd-monitoring-"));
    demo = new DemoProcess(join(folder, "demo"), "--base-port", "0");
    await demo.printed("All pools are stocked");
    network = demo.json();
    prometheus = await PrometheusServer.start(quickConfig(), join(folder, "prometheus"));
    await askForKeys();
    const ups = `sum(up{job="qkdnd"}) == ${network.nodes.length}`;
    await until("all nodes are scraped", async () => (await prometheus.query(ups)).length > 0, { everyMs: 250 });
    await askForKeys(); // once more, so that counters grow between two scrapes
  });
  after(async () => {
    prometheus?.close();
    await demo?.end();
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  });

  /** The configuration that the demo writes, and the rules that are shipped, only faster. */
  function quickConfig(): string {
    const written = join(demo.folder, "prometheus.yml");
    const { code, said } = promtool(["check", "config", written]);
    assert.equal(code, 0, said);
    assert.match(said, /SUCCESS: \d\d rules found/, "the demo loads the rules that are shipped");
    const rules = join(folder, "alerts.yml");
    writeFileSync(rules, readMonitoring("alerts.yml").replaceAll(/^( *for: ).*$/gm, "$12s"));
    const config = readFileSync(written, "utf8")
      .replaceAll(/(scrape|evaluation)_interval: \S+/g, "$1_interval: 1s")
      .replace(join(MONITORING, "alerts.yml"), rules);
    const file = join(folder, "prometheus.yml");
    writeFileSync(file, config);
    return file;
  }

  /** Each SAE asks for keys with the next one, which fetches them. */
  async function askForKeys(): Promise<void> {
    const clients = network.saes.map(({ id, node, cert, key }) => {
      const url = network.nodes.find((other) => other.id === node)!.etsi014;
      const files = { ca: readFileSync(network.ca), cert: readFileSync(cert), key: readFileSync(key) };
      return new SaeClient(id, new URL(url).origin, files);
    });
    try {
      for (const [at, initiator] of clients.entries()) {
        const target = clients[(at + 2) % clients.length]!;
        for (let times = 0; times < 5; times++) {
          const keys = await initiator.newKeys(target.id, { number: 2 });
          await target.copies(initiator.id, idsOf(keys));
        }
      }
    } finally {
      for (const client of clients) client.close();
    }
  }

  /** Asks until there is an answer, because a rate needs two scrapes; each series has the labels. */
  async function assertAnswered(what: string, expression: string, labels: readonly string[]): Promise<void> {
    const ask = async () => {
      const series = await prometheus.query(expression);
      return series.length > 0 && series;
    };
    const series = await until(`${what} has an answer: ${expression}`, ask, { seconds: 15, everyMs: 300 });
    for (const { metric } of series) {
      for (const label of labels) assert.ok(metric[label] !== undefined, `${what}: no label ${label}: ${expression}`);
    }
  }

  test("the metrics are those of docs/metrics.md, and promtool has one remark: bits are no bytes", async () => {
    const seen = new Set<string>();
    for (const { id, metrics } of network.nodes) {
      const text = await (await fetch(metrics)).text();
      for (const [, name] of text.matchAll(/^# TYPE (qkdn_\w+) /gm)) seen.add(name!);
      const { said } = promtool(["check", "metrics"], text);
      const remarks = said.split("\n").filter((line) => line !== "");
      const others = remarks.filter((line) => !/^qkdn_\w+ use base unit "bytes" instead of "bits"$/.test(line));
      assert.deepEqual(others, [], `of ${id}`);
    }
    assert.deepEqual([...seen].sort(), [...documentedNames()].sort());
  });

  test("every expression of the dashboard has an answer, with the labels that its legend shows", async () => {
    for (const { title, targets = [] } of panels) {
      for (const { expr, legendFormat } of targets) {
        await assertAnswered(`the panel "${title}"`, substituted(expr), labelsShown(legendFormat));
      }
    }
  });

  test("what every alert measures has an answer, with the labels that its texts show", async () => {
    for (const rule of alertRules) {
      const texts = Object.values(rule.annotations).join(" ");
      await assertAnswered(rule.alert, measured(rule), labelsShown(texts));
    }
  });

  test("a fibre that is cut makes its alert pending, then firing at both ends; mended, it is silent", async () => {
    const control = join(demo.folder, "emulator.socket");
    const link = network.links[0]!.toSorted().join("--");
    const alerts = async (): Promise<readonly ActiveAlert[]> => prometheus.alerts("QkdLinkNoKey");
    assert.deepEqual(await alerts(), []);
    const order = { do: "cut", link } as const;
    const reply = await askControl(control, order);
    assert.ok(reply.ok, JSON.stringify(reply));
    const states = new Set<string>();
    const fires = async (): Promise<readonly ActiveAlert[] | false> => {
      const active = await alerts();
      for (const { state } of active) states.add(state);
      return active.length === 2 && active.every(({ state }) => state === "firing") && active;
    };
    const firing = await until("the alert fires at both ends", fires, { everyMs: 200 });
    assert.deepEqual([...states].sort(), ["firing", "pending"]);
    assert.deepEqual(new Set(firing.map(({ labels }) => labels["node"])), new Set(network.links[0]));
    for (const { labels, annotations } of firing) {
      assert.equal(labels["link"], link);
      assert.equal(annotations["summary"], `The module of link ${link} at ${labels["node"]!} makes no key`);
    }
    await askControl(control, { ...order, do: "restore" });
    await until("the alert is silent", async () => (await alerts()).length === 0, { everyMs: 200 });
  });
});
