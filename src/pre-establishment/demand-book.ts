/** Keeps the estimates of every pool, from what supply and scheduler tell. */
import type { PoolId } from "../relay/pool-records.ts";
import type { Clock } from "../runtime/clock.ts";
import type { DemandListener, MissCause } from "../supply/demand-listener.ts";
import { PoolEstimates } from "./pool-estimates.ts";

export class DemandBook implements DemandListener {
  readonly #clock: Clock;
  readonly #onDemand: (pool: PoolId) => void;
  readonly #estimates = new Map<string, PoolEstimates>();

  /** @param onDemand  told of each request: stock is less than before, or was too little */
  constructor(clock: Clock, onDemand: (pool: PoolId) => void) {
    this.#clock = clock;
    this.#onDemand = onDemand;
  }

  of({ remote, keyClass }: PoolId): PoolEstimates {
    const name = `${remote}/${keyClass}`;
    let estimates = this.#estimates.get(name);
    if (estimates === undefined) {
      estimates = new PoolEstimates(this.#clock.monotonic());
      this.#estimates.set(name, estimates);
    }
    return estimates;
  }

  asked(pool: PoolId, need: { readonly count: number; readonly sizeBytes: number }): void {
    this.of(pool).asked(need, this.#clock.monotonic());
  }

  hit(pool: PoolId, stockBytes: number): void {
    this.of(pool).hit(stockBytes, this.#clock.monotonic());
    this.#onDemand(pool);
  }

  missed(pool: PoolId, cause: MissCause): void {
    this.of(pool).missed(cause, this.#clock.monotonic());
    this.#onDemand(pool);
  }

  notServed(pool: PoolId): void {
    this.of(pool).notServed(this.#clock.monotonic());
  }

  waiting(pool: PoolId, bytes: number): void {
    this.of(pool).waiting(bytes);
    if (bytes > 0) this.#onDemand(pool);
  }

  relayed(pool: PoolId, durationMs: number): void {
    this.of(pool).relayed(durationMs);
  }
}
