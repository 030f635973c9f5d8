/** How much key SAEs ask of each pool: what the pre-establishment loop plans by. Refused requests count as well. */
import type { KeyClass, NodeId } from "../model/ids.ts";
import type { Clock, MonotonicMs } from "../runtime/clock.ts";

const WINDOW_MS = 60_000;

interface Meter {
  bytesPerSecond: number;
  pendingBytes: number;
  since: MonotonicMs;
}

export class DemandMeter {
  readonly #clock: Clock;
  readonly #meters = new Map<string, Meter>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  asked(remote: NodeId, keyClass: KeyClass, bytes: number): void {
    this.#meter(remote, keyClass).pendingBytes += bytes;
  }

  /** Smoothed over about a minute. */
  bytesPerSecond(remote: NodeId, keyClass: KeyClass): number {
    const meter = this.#meter(remote, keyClass);
    const elapsed = this.#clock.monotonic() - meter.since;
    if (elapsed >= 1_000) {
      const weight = 1 - Math.exp(-elapsed / WINDOW_MS);
      meter.bytesPerSecond += weight * ((1000 * meter.pendingBytes) / elapsed - meter.bytesPerSecond);
      meter.pendingBytes = 0;
      meter.since += elapsed;
    }
    return meter.bytesPerSecond;
  }

  #meter(remote: NodeId, keyClass: KeyClass): Meter {
    const name = `${remote}/${keyClass}`;
    let meter = this.#meters.get(name);
    if (meter === undefined) {
      meter = { bytesPerSecond: 0, pendingBytes: 0, since: this.#clock.monotonic() };
      this.#meters.set(name, meter);
    }
    return meter;
  }
}
