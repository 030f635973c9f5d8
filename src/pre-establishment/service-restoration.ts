/**
 * Measures how long it takes to restore service (ITU-T Y.3807, 8.6.1), for each pool, in two ways.
 *
 * supply: SAEs feel it. It begins with the first request that was sent away, and ends when the pool is at its low mark again.
 * route: nobody feels it while stock lasts. It begins when there is no way to the remote node any more, and ends when there is
 * one and the pool is at its low mark, so that the next outage would be survived as well. A pool that was never at its low mark
 * in this life of the process has lost nothing yet.
 */
import { SECOND_MS } from "../model/units.ts";
import type { PoolId } from "../relay/pool-records.ts";
import type { Clock, MonotonicMs } from "../runtime/clock.ts";
import type { PoolEstimates } from "./pool-estimates.ts";
import type { RestorationMetrics } from "./restoration-metrics.ts";

const LOOK_MS = 250;

export interface PoolMoment {
  readonly id: PoolId;
  readonly hasRoute: boolean;
  /** Whole keys of the usual size. */
  readonly keys: number;
  readonly lowKeys: number;
  readonly estimates: PoolEstimates;
}

export interface ServiceRestorationParts {
  /** All outbound pools, as they are now. */
  readonly pools: () => readonly PoolMoment[];
  readonly clock: Clock;
  readonly metrics: RestorationMetrics;
}

interface PoolState {
  /** It was at its low mark, with a route, in this life of the process. */
  wasWhole: boolean;
  routeLostAt: MonotonicMs | undefined;
}

export class ServiceRestoration {
  readonly #parts: ServiceRestorationParts;
  readonly #states = new Map<string, PoolState>();

  constructor(parts: ServiceRestorationParts) {
    this.#parts = parts;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      for (const pool of this.#parts.pools()) this.#look(pool);
      await this.#parts.clock.sleep(LOOK_MS, signal).catch(() => undefined);
    }
  }

  #look({ id, hasRoute, keys, lowKeys, estimates }: PoolMoment): void {
    const state = this.#state(id);
    // A pool that holds nothing ahead lives by its route alone.
    const isWhole = lowKeys === 0 ? hasRoute : keys >= lowKeys;
    if (hasRoute && isWhole) state.wasWhole = true;
    if (!hasRoute && state.wasWhole) state.routeLostAt ??= this.#parts.clock.monotonic();
    this.#tell(id, "supply", { since: estimates.unservedSince, isOver: isWhole });
    this.#tell(id, "route", { since: state.routeLostAt, isOver: hasRoute && isWhole });
    if (isWhole) estimates.wholeAgain();
    if (hasRoute && isWhole) state.routeLostAt = undefined;
  }

  #tell(
    { remote, keyClass }: PoolId,
    lost: "supply" | "route",
    { since, isOver }: { readonly since: MonotonicMs | undefined; readonly isOver: boolean },
  ): void {
    const { clock, metrics } = this.#parts;
    const seconds = since === undefined ? 0 : (clock.monotonic() - since) / SECOND_MS;
    if (since !== undefined && isOver) metrics.restoration.observe({ remote, lost }, seconds);
    metrics.outage.set({ remote, class: keyClass, lost }, isOver ? 0 : seconds);
  }

  #state({ remote, keyClass }: PoolId): PoolState {
    const name = `${remote}/${keyClass}`;
    let state = this.#states.get(name);
    if (state === undefined) {
      state = { wasWhole: false, routeLostAt: undefined };
      this.#states.set(name, state);
    }
    return state;
  }
}
