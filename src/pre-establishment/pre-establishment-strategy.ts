/** What a pre-establishment strategy is: a pure function from the numbers of a moment to orders for relays. */
import type { KeyClass, NodeId } from "../model/ids.ts";
import type { MonotonicMs } from "../runtime/clock.ts";

/** All that a strategy may know of a pool: numbers only, no key, no clock, no store. Bytes throughout. */
export interface PoolView {
  readonly target: NodeId;
  readonly keyClass: KeyClass;
  readonly stockBytes: number;
  readonly inFlightBytes: number;
  readonly demandBytesPerSecond: number;
  /** Of the SAEs' usual key size. */
  readonly keyBytes: number;
  readonly policy: PoolPolicy;
  /** Payload that could be sent at once towards the first hop; 0 while the target cannot be reached. */
  readonly reachableBytes: number;
}

/** What the operator asked for, per pool. */
export interface PoolPolicy {
  readonly strategy: string;
  /** Refill starts below this many keys of the usual size … */
  readonly lowKeys: number;
  /** … and goes up to this many. */
  readonly highKeys: number;
}

/** The pools that one strategy plans for, in an order that stays the same. */
export interface SupplyView {
  readonly now: MonotonicMs;
  readonly pools: readonly PoolView[];
}

export interface PlannedOrder {
  readonly target: NodeId;
  readonly keyClass: KeyClass;
  readonly bytes: number;
  /** For people, and for metrics: why this order, now. */
  readonly reason: string;
}

export interface PreEstablishmentStrategy {
  readonly name: string;
  /** The stock that the strategy aims at, for the operator to see. */
  target(pool: PoolView): { readonly lowKeys: number; readonly targetKeys: number };
  /** The same view gives the same orders, the most urgent first: at most one for each pool. */
  plan(view: SupplyView): readonly PlannedOrder[];
}
