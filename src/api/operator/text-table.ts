/** Tables and quantities as plain text, for people at a terminal. */
import { HOUR_MS, KIB, MINUTE_MS, SECOND_MS } from "../../model/units.ts";

export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => string;
  /** Numbers stand to the right, so that their digits line up. */
  readonly align?: "right";
}

/** A line of titles and one for each row, columns two blanks apart, no blank at the end of a line. */
export function textTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): readonly string[] {
  const lines = [columns.map(({ title }) => title), ...rows.map((row) => columns.map(({ cell }) => cell(row)))];
  const widths = columns.map((_, at) => Math.max(...lines.map((cells) => cells[at]!.length)));
  return lines.map((cells) =>
    cells
      .map((cell, at) => (columns[at]!.align === "right" ? cell.padStart(widths[at]!) : cell.padEnd(widths[at]!)))
      .join("  ")
      .trimEnd(),
  );
}

/** 0, "812 B", "64.0 KiB", "1.50 GiB": three digits, powers of 1024. */
export function bytesText(bytes: number): string {
  if (bytes < KIB) return bytes === 0 ? "0" : `${bytes} B`;
  return scaledText(bytes, KIB, ["KiB", "MiB", "GiB", "TiB"]);
}

/** "980 b/s", "12.4 kb/s", "115 Mb/s": powers of 1000, as rates of modules are given. */
export function rateText(bitsPerSecond: number): string {
  if (bitsPerSecond < 1000) return `${Math.round(bitsPerSecond)} b/s`;
  return scaledText(bitsPerSecond, 1000, ["kb/s", "Mb/s", "Gb/s"]);
}

export function percentText(fraction: number): string {
  return `${(100 * fraction).toFixed(1)} %`;
}

/** The two largest units: "3 d 4 h", "12 min 5 s", "8 s". */
export function durationText(durationMs: number): string {
  const units: readonly (readonly [string, number])[] = [
    ["d", 24 * HOUR_MS],
    ["h", HOUR_MS],
    ["min", MINUTE_MS],
    ["s", SECOND_MS],
  ];
  const first = units.findIndex(([, unitMs]) => durationMs >= unitMs);
  if (first < 0) return "0 s";
  const [name, unitMs] = units[first]!;
  const next = units[first + 1];
  const rest = next === undefined ? 0 : Math.floor((durationMs % unitMs) / next[1]);
  return `${Math.floor(durationMs / unitMs)} ${name}${next === undefined || rest === 0 ? "" : ` ${rest} ${next[0]}`}`;
}

/** "1,204" */
export function countText(count: number): string {
  return String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, ",");
}

function scaledText(value: number, step: number, units: readonly string[]): string {
  let scaled = value / step;
  let at = 0;
  // 999.5 would be printed as "1000".
  while (scaled >= step - 0.5 && at < units.length - 1) {
    scaled /= step;
    at += 1;
  }
  const digits = scaled < 9.995 ? 2 : scaled < 99.95 ? 1 : 0;
  return `${scaled.toFixed(digits)} ${units[at]}`;
}
