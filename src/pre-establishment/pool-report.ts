/** What the scheduler keeps for each pool, and what of it an operator may see. */
import type { PoolId } from "../relay/pool-records.ts";
import type { MonotonicMs } from "../runtime/clock.ts";
import type { PoolPlan } from "./pre-establishment-strategy.ts";

export interface OrderRecord {
  readonly at: MonotonicMs;
  readonly bytes: number;
  readonly reason: string;
  /** Undefined while the relay is under way. */
  result: { readonly outcome: string; readonly durationMs: number } | undefined;
}

export interface PoolReport {
  readonly plan: PoolPlan;
  /** Why what is planned is not, or not wholly, ordered. */
  readonly waits: string | undefined;
  readonly relaysUnderWay: number;
  /** The last few, the newest last. */
  readonly orders: readonly Readonly<OrderRecord>[];
}

export interface PoolState {
  plan: PoolPlan;
  waits: string | undefined;
  relays: number;
  /** Shrinks while a hop on the way has less pad open than our own first hop, and grows again. */
  relayBytesMax: number;
  backoffMs: number;
  /** 0: at once. */
  retryAt: MonotonicMs;
  readonly orders: OrderRecord[];
}

export function newPoolState(
  { remote: target, keyClass }: PoolId,
  limits: { readonly relayBytesMax: number; readonly backoffMs: number },
): PoolState {
  const none = { targetKeys: 0, lowKeys: 0, orderBytes: 0 };
  return {
    plan: { target, keyClass, phase: "idle", ...none, reason: "not planned yet" },
    waits: undefined,
    relays: 0,
    ...limits,
    retryAt: 0,
    orders: [],
  };
}
