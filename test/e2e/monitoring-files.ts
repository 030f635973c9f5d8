/** What is shipped under monitoring/, as the tests ask of it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";

import { REPOSITORY } from "../fakes/unit-file.ts";

export const MONITORING = join(REPOSITORY, "monitoring");

export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}

export const readMonitoring = (file: string): string => readFileSync(join(MONITORING, file), "utf8");

export const alertRules: readonly AlertRule[] = (
  parse(readMonitoring("alerts.yml")) as { groups: readonly { rules: readonly AlertRule[] }[] }
).groups.flatMap(({ rules }) => rules);

export const panels: readonly Panel[] = (
  JSON.parse(readMonitoring("grafana-network.json")) as { panels: readonly Panel[] }
).panels;

/** An alert's expression, without the comparison and the limit at its end. */
export function measured({ alert, expr }: AlertRule): string {
  const found = /^([^]*\S)\s+(==|<|>)\s+[\d.e* ]+$/.exec(expr.trim());
  if (found === null) throw new Error(`${alert} does not end with a comparison: ${expr}`);
  return found[1]!;
}

/** A panel's expression as Grafana sends it, for all nodes. */
export const substituted = (expression: string): string =>
  expression.replaceAll("$__rate_interval", "1m").replaceAll("$node", ".*");

/** Labels that a text of Grafana ("{{link}}") or of Prometheus ("{{ $labels.link }}") shows. */
export function labelsShown(text: string): readonly string[] {
  return Array.from(text.matchAll(/\{\{\s*(?:\$labels\.)?([a-z_]+)\s*\}\}/g), ([, label]) => label!);
}
