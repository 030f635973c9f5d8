/** How fast pad is wanted in each direction of a link, so that new segments go where they are needed. */
import type { Clock, MonotonicMs } from "../runtime/clock.ts";

const WINDOW_MS = 10_000;

export class PadDemand {
  readonly #clock: Clock;
  readonly #spentBytes: () => number;
  #rate = 0;
  #peerRate = 0;
  #seen = 0;
  #seenAt: MonotonicMs;

  /** @param spentBytes  a running total */
  constructor(clock: Clock, spentBytes: () => number) {
    this.#clock = clock;
    this.#spentBytes = spentBytes;
    this.#seenAt = clock.monotonic();
  }

  peerSays(bytesPerSecond: number): void {
    if (Number.isFinite(bytesPerSecond) && bytesPerSecond >= 0) this.#peerRate = bytesPerSecond;
  }

  /** Smoothed over about ten seconds. */
  ownBytesPerSecond(): number {
    const now = this.#clock.monotonic();
    const elapsed = now - this.#seenAt;
    if (elapsed >= 500) {
      const spent = this.#spentBytes();
      const weight = 1 - Math.exp(-elapsed / WINDOW_MS);
      this.#rate += weight * ((1000 * (spent - this.#seen)) / elapsed - this.#rate);
      this.#seen = spent;
      this.#seenAt = now;
    }
    return this.#rate;
  }

  /** The leader's share of the demand; one half where there is none. */
  ownShare(): number {
    const own = this.ownBytesPerSecond() + 1;
    return own / (own + this.#peerRate + 1);
  }
}
