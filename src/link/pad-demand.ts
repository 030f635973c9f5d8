/** How fast pad is wanted in each direction of a link, so that new segments go where they are needed. */
import type { Clock } from "../runtime/clock.ts";
import { RateMeter } from "./rate-meter.ts";

export class PadDemand {
  readonly #own: RateMeter;
  #peerRate = 0;

  /** @param spentBytes  a running total */
  constructor(clock: Clock, spentBytes: () => number) {
    this.#own = new RateMeter(clock, spentBytes);
  }

  peerSays(bytesPerSecond: number): void {
    if (Number.isFinite(bytesPerSecond) && bytesPerSecond >= 0) this.#peerRate = bytesPerSecond;
  }

  ownBytesPerSecond(): number {
    return this.#own.perSecond();
  }

  /** Of both directions, as each end measures its own. */
  bytesPerSecond(): number {
    return this.ownBytesPerSecond() + this.#peerRate;
  }

  /** The leader's share of the demand; one half where there is none. */
  ownShare(): number {
    const own = this.ownBytesPerSecond() + 1;
    return own / (own + this.#peerRate + 1);
  }
}
