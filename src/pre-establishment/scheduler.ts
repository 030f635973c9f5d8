/**
 * The pre-establishment loop: collect, estimate, plan, execute, report (as ITU-T Y.3811 draws it), when demand or pad calls for
 * it, and once a period. Keys between nodes that are no neighbours are there before anyone asks.
 */
import { isQkdError } from "../model/errors.ts";
import type { KeyRelay, RelayOutcome } from "../relay/key-relay.ts";
import type { OutboundPool } from "../relay/outbound-pool.ts";
import type { PoolId } from "../relay/pool-records.ts";
import { Bell } from "../runtime/bell.ts";
import type { Clock, MonotonicMs } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import { segmentBytesMin, segmentsOf } from "./order-segments.ts";
import { REACTION_MS } from "./pool-estimates.ts";
import { newPoolState, type OrderRecord, type PoolReport, type PoolState } from "./pool-report.ts";
import type { PreEstablishmentMetrics } from "./pre-establishment-metrics.ts";
import {
  GRADES,
  heldBytes,
  type PoolPlan,
  type PoolView,
  type PreEstablishmentStrategy,
} from "./pre-establishment-strategy.ts";

/** Every pool is looked at once in this time, whatever happens. */
const PERIOD_MS = 500;
const REFILL_DEADLINE_MS = 10_000;
/** Enough that a pool fills at the pace of its links and not of the answers, which take a tenth of a second on busy machines. */
const RELAYS_PER_POOL_MAX = 12;
/** Of all pools together; the rest of what the relay room takes at once is for requests that wait. */
const REFILLS_IN_FLIGHT_MAX = 32;
/** One relay of a refill: some segments, so that a failure costs little. */
const RELAY_PAYLOAD_BYTES_MAX = 65_536;
const BACKOFF_MIN_MS = 50;
const BACKOFF_MAX_MS = 1_000;
/** A relay that was refused for want of pad is tried again with so much of it. */
const RETRY_PART = 1 / 4;
const ORDERS_KEPT_MAX = 8;

export interface SchedulerParts {
  readonly pools: readonly OutboundPool[];
  readonly view: (pool: OutboundPool) => PoolView;
  readonly strategy: (pool: OutboundPool) => PreEstablishmentStrategy;
  readonly relay: Pick<KeyRelay, "establish">;
  /** Told how long a relay took that brought key. */
  readonly relayed: (pool: PoolId, durationMs: number) => void;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: PreEstablishmentMetrics;
}

interface Wish {
  readonly pool: OutboundPool;
  readonly view: PoolView;
  readonly plan: PoolPlan;
  readonly state: PoolState;
  bytesLeft: number;
}

export class Scheduler {
  readonly #parts: SchedulerParts;
  readonly #bell = new Bell();
  readonly #states = new Map<OutboundPool, PoolState>();
  /** What strategies remember, by name. */
  readonly #memories = new Map<string, unknown>();
  /** Pools to look at ahead of the period. */
  readonly #noticed = new Set<OutboundPool>();
  readonly #running = new Set<Promise<void>>();
  #failure: { readonly reason: unknown } | undefined;

  constructor(parts: SchedulerParts) {
    this.#parts = parts;
  }

  /** What `qkdctl plan` shows of a pool. */
  report(pool: OutboundPool): PoolReport {
    const { plan, waits, orders, relays } = this.#state(pool);
    return { plan, waits, relaysUnderWay: relays, orders: [...orders] };
  }

  /** Something happened to the pool: demand, most of all. */
  notice(id: PoolId): void {
    const found = this.#parts.pools.find((pool) => pool.id.remote === id.remote && pool.id.keyClass === id.keyClass);
    if (found === undefined) return;
    this.#noticed.add(found);
    this.#bell.ring();
  }

  padsAvailable(): void {
    for (const [pool, { waits }] of this.#states) if (waits !== undefined) this.#noticed.add(pool);
    if (this.#noticed.size > 0) this.#bell.ring();
  }

  /** Plans until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, pools } = this.#parts;
    let allAt = clock.monotonic();
    while (!signal.aborted) {
      const now = clock.monotonic();
      if (now >= allAt) {
        for (const pool of pools) this.#noticed.add(pool);
        allAt = now + PERIOD_MS;
      }
      this.#noticeRetries(now);
      this.#plan(signal);
      const cancel = clock.after(Math.max(1, this.#wakeAt(allAt) - now), () => this.#bell.ring());
      await this.#bell.heard(signal);
      cancel();
      if (this.#failure !== undefined) throw this.#failure.reason;
      // demand of this moment is planned for together, and a flood of it does not keep the loop busy
      const early = now + REACTION_MS - clock.monotonic();
      if (early > 0) await clock.sleep(early, signal).catch(() => undefined);
    }
    await Promise.allSettled(this.#running);
  }

  #noticeRetries(now: MonotonicMs): void {
    for (const [pool, state] of this.#states) {
      if (state.retryAt === 0 || now < state.retryAt) continue;
      state.retryAt = 0;
      this.#noticed.add(pool);
    }
  }

  #wakeAt(allAt: MonotonicMs): MonotonicMs {
    let at = allAt;
    for (const { retryAt } of this.#states.values()) if (retryAt > 0) at = Math.min(at, retryAt);
    return at;
  }

  /** Lets each strategy plan for those of its pools that were noticed, and starts what is ordered, the most urgent first. */
  #plan(signal: AbortSignal): void {
    const now = this.#parts.clock.monotonic();
    const noticed = this.#parts.pools.filter((pool) => this.#noticed.has(pool));
    this.#noticed.clear();
    const wishes: Wish[] = [];
    for (const [strategy, pools] of Map.groupBy(noticed, (pool) => this.#parts.strategy(pool))) {
      const views = pools.map((pool) => this.#parts.view(pool));
      const before = this.#memories.get(strategy.name) ?? strategy.begin();
      const { plans, memory } = strategy.next({ now, pools: views }, before);
      this.#memories.set(strategy.name, memory);
      for (const [i, pool] of pools.entries()) {
        const [state, view, plan] = [this.#state(pool), views[i]!, plans[i]!];
        state.plan = plan;
        state.waits = undefined;
        if (plan.orderBytes > 0) wishes.push({ pool, view, plan, state, bytesLeft: plan.orderBytes });
      }
    }
    wishes.sort(byUrgency);
    // one relay for each pool in turn: a large order does not take all the pad from small ones behind it
    for (let started = true; started;) {
      started = false;
      for (const wish of wishes) if (wish.bytesLeft > 0 && this.#start(wish, signal)) started = true;
    }
  }

  /** @returns false when nothing more may, or can, be sent for this pool now */
  #start(wish: Wish, signal: AbortSignal): boolean {
    const { pool, view, plan, state } = wish;
    const { longestKeyBytes } = view.demand;
    state.waits = view.blocked ?? this.#obstacle(state);
    if (state.waits !== undefined) return false;
    const segmentBytes = segmentsOf({
      orderBytes: wish.bytesLeft,
      targetKeys: plan.targetKeys,
      keyBytes: view.keyBytes,
      longestKeyBytes,
      relayBytesMax: Math.max(state.relayBytesMax, segmentBytesMin({ keyBytes: view.keyBytes, longestKeyBytes })),
      reachableBytes: this.#parts.view(pool).reachableBytes,
      withIdSecret: !pool.hasIdSecret,
    });
    if (segmentBytes.length === 0) {
      state.waits = "waits for pad towards the first hop";
      return false;
    }
    const bytes = segmentBytes.reduce((sum, length) => sum + length, 0);
    wish.bytesLeft -= bytes;
    const order: OrderRecord = { at: this.#parts.clock.monotonic(), bytes, reason: plan.reason, result: undefined };
    state.orders.push(order);
    if (state.orders.length > ORDERS_KEPT_MAX) state.orders.shift();
    const relay = this.#execute(pool, segmentBytes, order, signal);
    this.#running.add(relay);
    relay.then(
      () => this.#running.delete(relay),
      (reason: unknown) => {
        this.#failure ??= { reason };
        this.#bell.ring();
      },
    );
    return true;
  }

  /** Why no relay may start for the pool now. */
  #obstacle({ relays, retryAt, orders }: PoolState): string | undefined {
    const now = this.#parts.clock.monotonic();
    if (relays >= RELAYS_PER_POOL_MAX) return `${relays} relays are under way, as many as may be`;
    if (this.#running.size >= REFILLS_IN_FLIGHT_MAX) return `${this.#running.size} refills are under way at this node`;
    if (now >= retryAt) return undefined;
    return `tries again in ${Math.ceil(retryAt - now)} ms, after "${orders.at(-1)?.result?.outcome ?? "a failure"}"`;
  }

  async #execute(
    pool: OutboundPool,
    segmentBytes: readonly number[],
    order: OrderRecord,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, relay, relayed } = this.#parts;
    const state = this.#state(pool);
    const { remote: target, keyClass } = pool.id;
    state.relays += 1;
    try {
      const deadline = clock.timeout(REFILL_DEADLINE_MS, signal);
      const outcome = await relay.establish({ target, keyClass, segmentBytes, urgency: "refill" }, deadline);
      order.result = { outcome: outcomeText(outcome), durationMs: clock.monotonic() - order.at };
      if (outcome.kind === "established") relayed(pool.id, outcome.tookMs);
      this.#settle(state, pool, outcome, order.bytes);
    } catch (failure) {
      if (!isQkdError(failure, "CANCELLED", "DEADLINE")) throw failure;
      order.result = { outcome: "given up", durationMs: clock.monotonic() - order.at };
    } finally {
      state.relays -= 1;
      this.#noticed.add(pool);
      this.#bell.ring();
    }
  }

  #settle(state: PoolState, pool: OutboundPool, outcome: RelayOutcome, bytes: number): void {
    const { metrics, clock, log } = this.#parts;
    const { remote, keyClass } = pool.id;
    const result = outcome.kind === "refused" ? outcome.reason : outcome.kind;
    metrics.orders.add({ remote, class: keyClass, result });
    if (outcome.kind === "established") {
      state.backoffMs = BACKOFF_MIN_MS;
      state.retryAt = 0;
      state.relayBytesMax = Math.min(RELAY_PAYLOAD_BYTES_MAX, 2 * state.relayBytesMax);
      return;
    }
    // A hop that nobody else uses has the same pad open at the next attempt: the same length would be refused for ever.
    if (result === "no-pad") state.relayBytesMax = Math.floor(bytes * RETRY_PART);
    log.debug("refill failed", { remote, keyClass, outcome: outcomeText(outcome) });
    const now = clock.monotonic();
    if (now < state.retryAt) return; // started together with one that has failed already
    state.retryAt = now + state.backoffMs;
    state.backoffMs = Math.min(2 * state.backoffMs, BACKOFF_MAX_MS);
  }

  #state(pool: OutboundPool): PoolState {
    let state = this.#states.get(pool);
    if (state === undefined) {
      state = newPoolState(pool.id, { relayBytesMax: RELAY_PAYLOAD_BYTES_MAX, backoffMs: BACKOFF_MIN_MS });
      this.#states.set(pool, state);
    }
    return state;
  }
}

const outcomeText = (outcome: RelayOutcome): string =>
  outcome.kind === "refused" ? `${outcome.reason} at ${outcome.atHop}` : outcome.kind;

/** Pools that run low first; then by grade; then who lacks the larger part of its target. */
function byUrgency(one: Wish, other: Wish): number {
  return (
    Number(runsLow(other)) - Number(runsLow(one)) ||
    GRADES.indexOf(one.view.grade) - GRADES.indexOf(other.view.grade) ||
    filledPart(one) - filledPart(other)
  );
}

const runsLow = ({ view, plan }: Wish): boolean => heldBytes(view) < plan.lowKeys * view.keyBytes;
const filledPart = ({ view, plan }: Wish): number => heldBytes(view) / (plan.targetKeys * view.keyBytes);
