/** Metrics that stay in memory: a registry for tests and worlds, which can be read and searched. */
import type { Declaration, MetricsRegistry } from "../../src/runtime/metrics.ts";

export interface MemoryMetrics extends MetricsRegistry {
  /** The value of a counter or gauge, 0 where nothing was set. Labels in the order of declaration. */
  value(name: string, ...labels: readonly string[]): number;
  /** All that a scrape would show. */
  text(): string;
}

export function createMemoryMetrics(): MemoryMetrics {
  const values = new Map<string, number>();
  const collectors: (() => void)[] = [];
  const nameOf = (declaration: Declaration<string>, labels: Readonly<Record<string, string>>): string =>
    [declaration.name, ...declaration.labels.map((label) => labels[label] ?? "")].join(" ");
  return {
    counter: (declaration) => ({
      add(labels, amount = 1) {
        const name = nameOf(declaration, labels);
        values.set(name, (values.get(name) ?? 0) + amount);
      },
    }),
    runningTotal: (declaration) => ({ set: (labels, value) => void values.set(nameOf(declaration, labels), value) }),
    gauge: (declaration) => ({ set: (labels, value) => void values.set(nameOf(declaration, labels), value) }),
    histogram: (declaration) => ({ observe: (labels, value) => void values.set(nameOf(declaration, labels), value) }),
    beforeScrape: (collect) => void collectors.push(collect),
    value: (name, ...labels) => values.get([name, ...labels].join(" ")) ?? 0,
    text() {
      for (const collect of collectors) collect();
      return [...values].map(([name, value]) => `${name} ${value}`).join("\n");
    },
  };
}
