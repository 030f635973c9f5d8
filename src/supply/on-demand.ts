/** The fallback when a pool is too short: one relay for all who wait, ahead of all refilling. */
import { isQkdError } from "../model/errors.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import type { KeyRelay, RelayOutcome } from "../relay/key-relay.ts";
import type { OutboundPool } from "../relay/outbound-pool.ts";
import { END_TO_END_SEGMENT_BYTES_MAX } from "../relay/relay-frame.ts";
import type { DemandListener } from "./demand-listener.ts";

/** Every hop keeps about 16 KiB of pad open, however slow its link is: more at once might be refused again and again. */
const ORDER_BYTES_MAX = 15_360;
/** What a relay ends with where links have no key to use as pad, or are no links now. */
const WITHOUT_PAD: ReadonlySet<string> = new Set(["no-pad", "unreachable"]);

/** Keys of one size that a request lacks. */
export interface KeyNeed {
  readonly count: number;
  readonly sizeBytes: number;
}

/** "no-pad": the way there had none, or there was no way. "failed": something else. */
export type BringingEnd = "brought" | "no-pad" | "failed";

export interface OnDemand {
  /**
   * Starts, or joins, a relay for the pool. Resolves when it ended, or with the deadline.
   *
   * @returns how that ended; of key that was brought, others who wait may have taken all
   */
  bring(pool: OutboundPool, need: KeyNeed, deadline: AbortSignal): Promise<BringingEnd>;
}

export interface OnDemandParts {
  readonly relay: Pick<KeyRelay, "establish">;
  readonly demand: Pick<DemandListener, "relayed">;
  readonly clock: Clock;
  readonly log: Logger;
}

export function createOnDemand({ relay, demand, clock, log }: OnDemandParts): OnDemand {
  const underWay = new Map<OutboundPool, Promise<BringingEnd>>();

  const order = async (pool: OutboundPool, segmentBytes: number, deadline: AbortSignal): Promise<BringingEnd> => {
    const { remote: target, keyClass } = pool.id;
    const startedAt = clock.monotonic();
    try {
      const outcome = await relay.establish(
        { target, keyClass, segmentBytes: [segmentBytes], urgency: "on-demand" },
        deadline,
      );
      if (outcome.kind === "established") {
        demand.relayed(pool.id, clock.monotonic() - startedAt);
        return "brought";
      }
      const why = outcome.kind === "refused" ? { reason: outcome.reason, atHop: outcome.atHop } : {};
      log.info("on-demand relay failed", { target, outcome: outcome.kind, ...why });
      return lackedPad(outcome) ? "no-pad" : "failed";
    } catch (failure) {
      if (!isQkdError(failure, "CANCELLED", "DEADLINE")) throw failure;
      return "failed";
    }
  };

  return {
    async bring(pool, { count, sizeBytes }, deadline) {
      let running = underWay.get(pool);
      if (running === undefined) {
        const keysPerSegment = Math.max(
          1,
          Math.floor(Math.min(ORDER_BYTES_MAX, END_TO_END_SEGMENT_BYTES_MAX) / sizeBytes),
        );
        running = order(pool, Math.min(count, keysPerSegment) * sizeBytes, deadline).finally(() =>
          underWay.delete(pool),
        );
        underWay.set(pool, running);
      }
      const { promise, resolve } = Promise.withResolvers<BringingEnd>();
      deadline.addEventListener("abort", () => resolve("failed"), { once: true });
      return Promise.race([running, promise]);
    },
  };
}

function lackedPad(outcome: RelayOutcome): boolean {
  return outcome.kind === "no-route" || (outcome.kind === "refused" && WITHOUT_PAD.has(outcome.reason));
}
