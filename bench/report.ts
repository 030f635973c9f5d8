/** What a bench found: as JSON with every run, and as a table with the medians. */
import type { Machine, Surroundings } from "./machine.ts";
import { isMet, medianOf, type Figure, type Target } from "./scenario.ts";

export interface ScenarioReport {
  readonly name: string;
  readonly about: string;
  readonly surroundings: Surroundings;
  readonly figures: readonly FigureReport[];
  /** Why it broke off; then its figures are not all there. */
  readonly failure?: string;
}

export interface FigureReport extends Figure {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly met?: boolean;
}

export interface BenchReport {
  readonly begunAt: string;
  readonly machine: Machine;
  readonly runs: number;
  readonly seconds: number;
  readonly scenarios: readonly ScenarioReport[];
}

export function reportOf(figure: Figure): FigureReport {
  const { values } = figure;
  const met = isMet(figure);
  const spread = { median: medianOf(values), min: Math.min(...values), max: Math.max(...values) };
  return { ...figure, ...spread, ...(met === undefined ? {} : { met }) };
}

export function allMet({ scenarios }: BenchReport): boolean {
  return scenarios.every(({ figures }) => figures.every(({ met }) => met !== false));
}

/** For a terminal, and for a Markdown file as it is. */
export function tableOf({ machine, runs, seconds, scenarios }: BenchReport): string {
  const { cores, processor, memoryGiB, nodeJs, kernel } = machine;
  const head = `${cores} cores (${processor}), ${memoryGiB} GiB, Linux ${kernel}, Node.js ${nodeJs}; ${runs} runs of ${seconds} s`;
  return [head, ...scenarios.map(sectionOf)].join("\n\n");
}

function sectionOf({ name, about, surroundings, figures, failure }: ScenarioReport): string {
  const rows = figures.map((figure) => [
    figure.what,
    numberText(figure.median),
    `${numberText(figure.min)} to ${numberText(figure.max)}`,
    figure.unit,
    figure.target === undefined ? "" : targetText(figure.target),
    figure.met === undefined ? "" : figure.met ? "met" : "NOT MET",
  ]);
  const table = alignedRows([["figure", "median", "spread", "unit", "target", ""], ...rows]);
  const { loadAverage, flushMs } = surroundings;
  const flush = `a flush of the disk ${numberText(flushMs.median)} ms, at most ${numberText(flushMs.max)} ms`;
  const lines = [`${name}: ${about}`, `before: load average ${loadAverage.toFixed(1)}, ${flush}`, "", ...table];
  return [...lines, ...(failure === undefined ? [] : [`broke off: ${failure}`])].join("\n");
}

function alignedRows(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => (isNumberColumn(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!))).join(" | ")} |`;
  const rule = `|${widths.map((width, column) => (isNumberColumn(column) ? `${"-".repeat(width + 1)}:` : "-".repeat(width + 2))).join("|")}|`;
  return [line(rows[0]!), rule, ...rows.slice(1).map(line)];
}

const isNumberColumn = (column: number): boolean => column === 1 || column === 2;

const targetText = (target: Target): string =>
  "atLeast" in target ? `at least ${target.atLeast}` : `at most ${target.atMost}`;

function numberText(value: number): string {
  if (Number.isNaN(value)) return "none";
  if (value === 0 || Math.abs(value) >= 100) return String(Math.round(value));
  return value.toPrecision(3);
}
