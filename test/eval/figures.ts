/** What a run is judged by, and what several runs say together. */

export interface RunFigures {
  readonly requests: number;
  /** Parts of all requests: served from stock at once; not, although links had pad; not, because they had none; never. */
  readonly hitRatio: number;
  readonly latencyMisses: number;
  readonly supplyMisses: number;
  readonly refused: number;
  /** Mean over time, in all pools together, with what is under way; keys of 256 bits. */
  readonly stockKeys: number;
  readonly waitMs: { readonly p50: number; readonly p99: number };
  /** Of key that was relayed: never supplied. */
  readonly wasted: number;
  /** Key of all links spent for a byte supplied, tags and proofs too. */
  readonly padBytesPerKeyByte: number;
}

/** A mean, and half the width of its 95 % confidence interval. */
export interface Interval {
  readonly mean: number;
  readonly half: number;
}

/** Student's t for 95 %, two-sided, by degrees of freedom from 1 on. */
const T_95 = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131];
const T_95_MANY = 2.13;

export function intervalOf(values: readonly number[]): Interval {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  if (values.length < 2) return { mean, half: Number.NaN };
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
  const t = T_95[values.length - 2] ?? T_95_MANY;
  return { mean, half: t * Math.sqrt(variance / values.length) };
}

export function percentile(values: readonly number[], part: number): number {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))]!;
}
