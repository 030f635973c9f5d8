/** Metrics as declared by each folder: names, labels and units are checked by the compiler. */

export type Labels<Name extends string> = Readonly<Record<Name, string>>;

export interface Counter<Name extends string> {
  add(labels: Labels<Name>, amount?: number): void;
}
export interface Gauge<Name extends string> {
  set(labels: Labels<Name>, value: number): void;
}
/** A counter whose value is kept elsewhere, in a ledger say, and shown from there. It never goes down while a process lives. */
export interface RunningTotal<Name extends string> {
  set(labels: Labels<Name>, value: number): void;
}
export interface Histogram<Name extends string> {
  observe(labels: Labels<Name>, value: number): void;
}

export interface Declaration<Name extends string> {
  readonly name: `qkdn_${string}`;
  readonly help: string;
  readonly labels: readonly Name[];
}

export interface MetricsRegistry {
  counter<const Name extends string>(declaration: Declaration<Name>): Counter<Name>;
  runningTotal<const Name extends string>(declaration: Declaration<Name>): RunningTotal<Name>;
  gauge<const Name extends string>(declaration: Declaration<Name>): Gauge<Name>;
  histogram<const Name extends string>(
    declaration: Declaration<Name> & { readonly buckets: readonly number[] },
  ): Histogram<Name>;
  /** Runs before each scrape, to set gauges from the state of that moment. */
  beforeScrape(collect: () => void): void;
}
