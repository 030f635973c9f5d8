/**
 * The table of docs/metrics.md, from what the rooms declare. To write it anew after a change:
 *
 *   node test/architecture/metrics-table.ts
 */
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { parseNodeId } from "../../src/model/ids.ts";
import { withPairLabels } from "../../src/node/pair-labels.ts";
import type { Declaration, MetricsRegistry } from "../../src/runtime/metrics.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const DOCUMENT = `${ROOT}docs/metrics.md`;
const BEGIN = "<!-- what the code declares: node test/architecture/metrics-table.ts -->\n";
const END = "<!-- end -->";

export interface DeclaredMetric extends Declaration<string> {
  readonly type: "counter" | "gauge" | "histogram";
}

/** Some take the names of what is open. */
type CreateMetrics = (registry: MetricsRegistry, open: readonly string[]) => unknown;

/** Every metric of every `*-metrics.ts` under src/, as a node shows it; by name. */
export async function declaredMetrics(): Promise<readonly DeclaredMetric[]> {
  const found: DeclaredMetric[] = [];
  const record =
    <Handle>(type: DeclaredMetric["type"], handle: Handle) =>
    ({ name, help, labels }: Declaration<string>): Handle => {
      found.push({ name, help, labels, type });
      return handle;
    };
  const nothing = (): undefined => undefined;
  const recorder: MetricsRegistry = {
    counter: record("counter", { add: nothing }),
    runningTotal: record("counter", { set: nothing }),
    gauge: record("gauge", { set: nothing }),
    histogram: record("histogram", { observe: nothing }),
    beforeScrape: nothing,
  };
  const registry = withPairLabels(parseNodeId("north"), recorder);
  for (const file of globSync("src/**/*-metrics.ts", { cwd: ROOT })) {
    const exported = (await import(`${ROOT}${file}`)) as Readonly<Record<string, unknown>>;
    for (const [name, create] of Object.entries(exported)) {
      if (/^create\w+Metrics$/.test(name)) (create as CreateMetrics)(registry, []);
    }
  }
  return found.sort((one, other) => (one.name < other.name ? -1 : 1));
}

export function tableOf(metrics: readonly DeclaredMetric[]): string {
  const row = ({ name, type, labels, help }: DeclaredMetric): string =>
    `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(" ")} | ${help} |\n`;
  return `| metric | type | labels | meaning |\n|---|---|---|---|\n${metrics.map(row).join("")}`;
}

/** The document, and where its table begins and ends. */
function documentParts(): readonly [before: string, table: string, after: string] {
  const text = readFileSync(DOCUMENT, "utf8");
  const [from, to] = [text.indexOf(BEGIN) + BEGIN.length, text.indexOf(END)];
  if (from < BEGIN.length || to < from) throw new Error(`${DOCUMENT} has no place for the table`);
  return [text.slice(0, from), text.slice(from, to), text.slice(to)];
}

export const documentedTable = (): string => documentParts()[1];

/** Names in the document's table. */
export const documentedNames = (): ReadonlySet<string> =>
  new Set(Array.from(documentedTable().matchAll(/^\| `(qkdn_\w+)` \|/gm), ([, name]) => name!));

if (import.meta.main) {
  const [before, , after] = documentParts();
  writeFileSync(DOCUMENT, before + tableOf(await declaredMetrics()) + after);
}
