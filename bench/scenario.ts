/** What the bench is made of: scenarios, each of which runs real parts several times and notes figures. */

/** What a figure has to reach on a machine of two cores that everything shares. */
export type Target = { readonly atLeast: number } | { readonly atMost: number };

/** One thing that was measured, once in each run. */
export interface Figure {
  readonly what: string;
  readonly unit: string;
  readonly values: readonly number[];
  readonly target?: Target;
}

/** How long, how often, and whom to tell meanwhile. */
export interface BenchOptions {
  readonly runs: number;
  /** Of each measured window. */
  readonly seconds: number;
  /** Where daemons leave CPU profiles, if anywhere. */
  readonly profileFolder?: string;
  /** For people, while they wait. */
  readonly say: (line: string) => void;
}

export interface Scenario {
  readonly name: string;
  /** What it runs, in one sentence. */
  readonly about: string;
  measure(options: BenchOptions, book: FigureBook): Promise<void>;
}

/** The figures of one scenario, in the order in which they were first noted. */
export class FigureBook {
  readonly #figures = new Map<string, { unit: string; values: number[]; target?: Target }>();

  note(what: string, unit: string, value: number, target?: Target): void {
    const figure = this.#figures.get(what);
    if (figure === undefined) this.#figures.set(what, { unit, values: [value], ...(target && { target }) });
    else figure.values.push(value);
  }

  figures(): Figure[] {
    return [...this.#figures].map(([what, figure]) => ({ what, ...figure }));
  }
}

export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length >>> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** By the median of its runs; undefined for a figure without a target. */
export function isMet({ values, target }: Figure): boolean | undefined {
  if (target === undefined) return undefined;
  const median = medianOf(values);
  return "atLeast" in target ? median >= target.atLeast : median <= target.atMost;
}
