/** Results as tables of Markdown, which stand in docs/evaluation.md as they are printed. */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { intervalOf, type RunFigures } from "./figures.ts";

const DOCUMENT = fileURLToPath(new URL("../../docs/evaluation.md", import.meta.url));

/** All runs of one contestant under one condition. */
export interface Row {
  readonly contestant: string;
  readonly runs: readonly RunFigures[];
}

export interface CellResult {
  readonly name: string;
  readonly about: string;
  readonly rows: readonly Row[];
}

interface Column {
  readonly title: string;
  readonly value: (run: RunFigures) => number;
  readonly text: (value: number) => string;
}

const percent = (part: number): string => `${(100 * part).toFixed(part > 0.999 || part < 0.001 ? 2 : 1)} %`;
const ms = (value: number): string => (value >= 99.5 ? value.toFixed(0) : value.toFixed(1));

const COLUMNS: readonly Column[] = [
  { title: "served at once", value: ({ hitRatio }) => hitRatio, text: percent },
  { title: "waited, pad was there", value: ({ latencyMisses }) => latencyMisses, text: percent },
  { title: "waited for pad", value: ({ supplyMisses }) => supplyMisses, text: percent },
  { title: "refused", value: ({ refused }) => refused, text: percent },
  { title: "stock, keys", value: ({ stockKeys }) => stockKeys, text: (keys) => keys.toFixed(0) },
  { title: "wait p50, ms", value: ({ waitMs }) => waitMs.p50, text: ms },
  { title: "p99, ms", value: ({ waitMs }) => waitMs.p99, text: ms },
  { title: "wasted", value: ({ wasted }) => wasted, text: percent },
  {
    title: "link key per key",
    value: ({ padBytesPerKeyByte }) => padBytesPerKeyByte,
    text: (ratio) => ratio.toFixed(2),
  },
];

/** Columns of which the width of the confidence interval is shown. */
const WITH_INTERVAL = new Set(["served at once", "stock, keys"]);

export function tableOf({ name, about, rows }: CellResult): string {
  const head = ["strategy", ...COLUMNS.map(({ title }) => title)];
  const body = rows.map(({ contestant, runs }) => [contestant, ...COLUMNS.map((column) => cellOf(column, runs))]);
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const rule = `|---|${COLUMNS.map(() => "--:").join("|")}|`;
  return [`**${name}**: ${about}.`, "", line(head), rule, ...body.map(line)].join("\n");
}

function cellOf({ title, value, text }: Column, runs: readonly RunFigures[]): string {
  const { mean, half } = intervalOf(runs.map(value));
  if (!WITH_INTERVAL.has(title) || Number.isNaN(half)) return text(mean);
  const shown = title === "served at once" ? (100 * half).toFixed(2) : text(half);
  return `${text(mean)} ± ${shown}`;
}

/** Writes the tables between the two marks that bear the part's name. */
export function writeIntoDocument(part: string, text: string): void {
  const [begin, end] = [`<!-- ${part}: npm run eval -- --part ${part} --write-docs -->`, `<!-- end of ${part} -->`];
  const document = readFileSync(DOCUMENT, "utf8");
  const [from, to] = [document.indexOf(begin), document.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${DOCUMENT} has no place for "${part}"`);
  writeFileSync(DOCUMENT, `${document.slice(0, from + begin.length)}\n\n${text}\n\n${document.slice(to)}`);
}
