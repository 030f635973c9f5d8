/**
 * The pre-establishment loop: collect, estimate, plan, execute, report (as ITU-T Y.3811 draws it), once a period and when a
 * pool runs low. Keys between nodes that are no neighbours are there before anyone asks.
 */
import { isQkdError } from "../model/errors.ts";
import type { KeyRelay, RelayOutcome } from "../relay/key-relay.ts";
import type { OutboundPool } from "../relay/outbound-pool.ts";
import { END_TO_END_SEGMENT_BYTES_MAX, ID_SECRET_BYTES, PROOF_KEY_BYTES } from "../relay/relay-frame.ts";
import type { Bell } from "../runtime/bell.ts";
import type { Clock, MonotonicMs } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import type { PreEstablishmentMetrics } from "./pre-establishment-metrics.ts";
import type { PlannedOrder, PoolView, PreEstablishmentStrategy } from "./pre-establishment-strategy.ts";

const PERIOD_MS = 500;
const REFILL_DEADLINE_MS = 10_000;
const RELAYS_PER_POOL_MAX = 4;
/** One relay of a refill: some segments, so that a failure costs little. */
const RELAY_PAYLOAD_BYTES_MAX = 65_536;
const SEGMENTS_PER_RELAY_MAX = 16;
/** A pool is made of about this many segments at its target, so that opening one puts little at stake. */
const SEGMENTS_PER_TARGET = 8;
const BACKOFF_MIN_MS = 250;
const BACKOFF_MAX_MS = 5_000;

export interface SchedulerParts {
  readonly pools: readonly OutboundPool[];
  readonly view: (pool: OutboundPool) => PoolView;
  readonly strategy: (pool: OutboundPool) => PreEstablishmentStrategy;
  readonly relay: KeyRelay;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: PreEstablishmentMetrics;
  /** The largest key that an SAE may ask for, in bytes: no segment is shorter. */
  readonly keyBytesMax: number;
}

/** The last decision for a pool, and how the last relay ended: what `qkdctl` shows. */
export interface PoolDecision {
  readonly reason: string;
  readonly lastOutcome: string;
}

interface PoolState {
  relays: number;
  /** Shrinks while a hop on the way has less pad open than our own first hop, and grows again. */
  relayBytesMax: number;
  backoffMs: number;
  retryAt: MonotonicMs;
  reason: string;
  lastOutcome: string;
}

export class Scheduler {
  readonly #parts: SchedulerParts;
  readonly #states = new Map<OutboundPool, PoolState>();
  readonly #running = new Set<Promise<void>>();

  constructor(parts: SchedulerParts) {
    this.#parts = parts;
  }

  decision(pool: OutboundPool): PoolDecision {
    const { reason, lastOutcome } = this.#state(pool);
    return { reason, lastOutcome };
  }

  /** Plans until `signal` aborts. `bell` wakes it ahead of its period. */
  async run(bell: Bell, signal: AbortSignal): Promise<void> {
    let failure: { readonly reason: unknown } | undefined;
    const failed = (reason: unknown): void => {
      failure ??= { reason };
      bell.ring();
    };
    while (!signal.aborted) {
      this.#plan(bell, signal, failed);
      const cancel = this.#parts.clock.after(PERIOD_MS, () => bell.ring());
      await bell.heard(signal);
      cancel();
      if (failure !== undefined) throw failure.reason;
    }
    await Promise.allSettled(this.#running);
  }

  /** Lets each strategy plan for its pools, and starts what it orders, until nothing more may start. */
  #plan(bell: Bell, signal: AbortSignal, failed: (reason: unknown) => void): void {
    for (const [strategy, pools] of this.#poolsByStrategy()) {
      // relays under way count as held, so each round orders only what is still missing
      for (let started = true; started;) {
        started = false;
        const ready = pools.filter((pool) => this.#mayStart(pool));
        const views = ready.map((pool) => this.#parts.view(pool));
        const orders = strategy.plan({ now: this.#parts.clock.monotonic(), pools: views });
        for (const [i, pool] of ready.entries()) {
          const { target, keyClass } = views[i]!;
          const order = orders.find((other) => other.target === target && other.keyClass === keyClass);
          this.#state(pool).reason = order?.reason ?? "at or above the target";
          if (order !== undefined && this.#start(pool, views[i]!, order, { bell, signal, failed })) started = true;
        }
      }
    }
  }

  /** @returns false when nothing can be sent towards the first hop now */
  #start(
    pool: OutboundPool,
    view: PoolView,
    order: PlannedOrder,
    { bell, signal, failed }: { bell: Bell; signal: AbortSignal; failed: (reason: unknown) => void },
  ): boolean {
    const state = this.#state(pool);
    const limits = { bytes: order.bytes, relayBytesMax: state.relayBytesMax };
    const segmentBytes = segmentsFor(this.#parts, pool, view, limits);
    if (segmentBytes.length === 0) {
      state.reason = `${order.reason}; waits for pad towards the first hop`;
      return false;
    }
    const relay = this.#execute(pool, segmentBytes, bell, signal);
    this.#running.add(relay);
    relay.then(() => this.#running.delete(relay), failed);
    return true;
  }

  #mayStart(pool: OutboundPool): boolean {
    const { relays, retryAt } = this.#state(pool);
    return relays < RELAYS_PER_POOL_MAX && this.#parts.clock.monotonic() >= retryAt;
  }

  #poolsByStrategy(): ReadonlyMap<PreEstablishmentStrategy, readonly OutboundPool[]> {
    return Map.groupBy(this.#parts.pools, (pool) => this.#parts.strategy(pool));
  }

  async #execute(pool: OutboundPool, segmentBytes: readonly number[], bell: Bell, signal: AbortSignal): Promise<void> {
    const state = this.#state(pool);
    const { remote: target, keyClass } = pool.id;
    state.relays += 1;
    try {
      const deadline = this.#parts.clock.timeout(REFILL_DEADLINE_MS, signal);
      const order = { target, keyClass, segmentBytes, urgency: "refill" } as const;
      const outcome = await this.#parts.relay.establish(order, deadline);
      settle(this.#parts, state, pool, { outcome, bytes: segmentBytes.reduce((sum, length) => sum + length, 0) });
      if (outcome.kind === "established") bell.ring();
    } catch (failure) {
      if (!isQkdError(failure, "CANCELLED", "DEADLINE")) throw failure;
    } finally {
      state.relays -= 1;
    }
  }

  #state(pool: OutboundPool): PoolState {
    let state = this.#states.get(pool);
    if (state === undefined) {
      state = {
        relays: 0,
        relayBytesMax: RELAY_PAYLOAD_BYTES_MAX,
        backoffMs: BACKOFF_MIN_MS,
        retryAt: 0,
        reason: "not planned yet",
        lastOutcome: "",
      };
      this.#states.set(pool, state);
    }
    return state;
  }
}

function settle(
  parts: SchedulerParts,
  state: PoolState,
  pool: OutboundPool,
  { outcome, bytes }: { readonly outcome: RelayOutcome; readonly bytes: number },
): void {
  const { remote, keyClass } = pool.id;
  const result = outcome.kind === "refused" ? outcome.reason : outcome.kind;
  parts.metrics.orders.add({ remote, class: keyClass, result });
  state.lastOutcome = outcome.kind === "refused" ? `${outcome.reason} at ${outcome.atHop}` : outcome.kind;
  if (outcome.kind === "established") {
    state.backoffMs = BACKOFF_MIN_MS;
    state.retryAt = 0;
    state.relayBytesMax = Math.min(RELAY_PAYLOAD_BYTES_MAX, 2 * state.relayBytesMax);
    return;
  }
  // A hop that nobody else uses has the same pad open at the next attempt: the same length would be refused for ever.
  if (result === "no-pad") state.relayBytesMax = Math.max(parts.keyBytesMax, Math.floor(bytes / 2));
  state.retryAt = parts.clock.monotonic() + state.backoffMs;
  state.backoffMs = Math.min(2 * state.backoffMs, BACKOFF_MAX_MS);
  parts.log.debug("refill failed", { remote, keyClass, outcome: state.lastOutcome });
}

/** Cuts an order into segments for one relay, no more than the first hop can carry now. */
function segmentsFor(
  parts: SchedulerParts,
  pool: OutboundPool,
  view: PoolView,
  { bytes, relayBytesMax }: { readonly bytes: number; readonly relayBytesMax: number },
): number[] {
  const overhead = PROOF_KEY_BYTES + (pool.hasIdSecret ? 0 : ID_SECRET_BYTES) + 128;
  const reach = Math.min(relayBytesMax, view.reachableBytes - overhead);
  const room = Math.min(bytes, reach);
  const { targetKeys } = parts.strategy(pool).target(view);
  const wanted = Math.ceil((targetKeys * view.keyBytes) / SEGMENTS_PER_TARGET);
  const length = Math.min(END_TO_END_SEGMENT_BYTES_MAX, Math.max(wanted, parts.keyBytesMax, view.keyBytes));
  const whole = Math.ceil(length / view.keyBytes) * view.keyBytes;
  const segmentBytes = Math.min(whole, END_TO_END_SEGMENT_BYTES_MAX);
  if (reach < Math.min(segmentBytes, parts.keyBytesMax)) return [];
  const count = Math.max(1, Math.min(SEGMENTS_PER_RELAY_MAX, Math.ceil(room / segmentBytes)));
  const fitting = Math.floor(reach / segmentBytes);
  if (fitting === 0) return [Math.floor(reach / view.keyBytes) * view.keyBytes];
  return Array.from({ length: Math.min(count, fitting) }, () => segmentBytes);
}
