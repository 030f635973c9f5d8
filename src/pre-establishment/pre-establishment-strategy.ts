/** What a pre-establishment strategy is: a pure function from the numbers of a moment to a plan for each pool. */
import type { KeyClass, NodeId } from "../model/ids.ts";
import type { SplitPolicy } from "../relay/split-policy.ts";
import type { MonotonicMs } from "../runtime/clock.ts";
import type { MissCause } from "../supply/demand-listener.ts";
import type { DemandEstimate, LeadTime } from "./pool-estimates.ts";

/** How much a miss hurts: which part of all requests may find too little stock, and who comes first where pad is scarce. */
export type Grade = "gold" | "silver" | "bronze";
export const GRADES: readonly Grade[] = ["gold", "silver", "bronze"];

/** What the operator asked for, per pool. Keys are of the SAEs' usual size. */
export interface PoolPolicy {
  readonly strategy: string;
  /** `static-watermark`: refill starts below this many keys … */
  readonly lowKeys: number;
  /** … and goes up to this many. */
  readonly highKeys: number;
  /** Strategies that follow demand hold at least so many keys … */
  readonly minKeys: number;
  /** … and never aim at more than these. */
  readonly maxKeys: number;
  /** Undefined: as the class is named, and silver where that is none of the three. */
  readonly grade?: Grade | undefined;
  /** Undefined: one route is enough. */
  readonly split?: SplitPolicy | undefined;
}

/** All that a strategy may know of a pool: numbers only, no key, no clock, no store. Bytes throughout. */
export interface PoolView {
  readonly target: NodeId;
  readonly keyClass: KeyClass;
  readonly grade: Grade;
  readonly policy: PoolPolicy;
  /** Of the SAEs' usual key size. */
  readonly keyBytes: number;
  /** In segments that hold the longest key asked for lately: what is shorter would never serve it. */
  readonly stockBytes: number;
  readonly inFlightBytes: number;
  /** What requests that wait now have asked for: so much of stock and flight is theirs. */
  readonly waitingBytes: number;
  /** Payload that could be sent at once towards the first hop; 0 while the target cannot be reached. */
  readonly reachableBytes: number;
  /** Why nothing may be relayed now, whatever is ordered; undefined where nothing is in the way. */
  readonly blocked?: string | undefined;
  readonly demand: DemandEstimate;
  readonly leadTime: LeadTime;
  /** Since the start. */
  readonly misses: Readonly<Record<MissCause, number>>;
}

/** The pools that one strategy is to plan for now, in an order that stays the same. */
export interface SupplyView {
  readonly now: MonotonicMs;
  readonly pools: readonly PoolView[];
}

export interface PoolPlan {
  readonly target: NodeId;
  readonly keyClass: KeyClass;
  /** What the strategy does with this pool now, in a word: "hold", "probe". */
  readonly phase: string;
  /** The stock that it aims at, and below which it hurries. */
  readonly targetKeys: number;
  readonly lowKeys: number;
  /** To be relayed now; 0 for nothing. */
  readonly orderBytes: number;
  /** For people: why this order, or why none. */
  readonly reason: string;
}

/** @typeParam Memory  what the strategy wants to know again at its next plan; kept for it, never looked into */
export interface PreEstablishmentStrategy<Memory = unknown> {
  readonly name: string;
  /** Before the first plan. */
  begin(): Memory;
  /** One plan for each pool of the view. The same view and memory give the same plans and memory. */
  next(view: SupplyView, memory: Memory): { readonly plans: readonly PoolPlan[]; readonly memory: Memory };
}

/** What is there or on its way, and not for requests that wait already. */
export function heldBytes({ stockBytes, inFlightBytes, waitingBytes }: PoolView): number {
  return Math.max(0, stockBytes + inFlightBytes - waitingBytes);
}

/** "3 of 8 keys" */
export function heldText(pool: PoolView, targetKeys: number): string {
  return `${Math.floor(heldBytes(pool) / pool.keyBytes)} of ${targetKeys} keys held or under way`;
}
