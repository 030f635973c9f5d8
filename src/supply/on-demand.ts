/** The fallback when a pool is too short: one relay for all who wait, ahead of all refilling. */
import { isQkdError } from "../model/errors.ts";
import type { Bell } from "../runtime/bell.ts";
import type { Logger } from "../runtime/logger.ts";
import type { KeyRelay } from "../relay/key-relay.ts";
import type { OutboundPool } from "../relay/outbound-pool.ts";
import { END_TO_END_SEGMENT_BYTES_MAX } from "../relay/relay-frame.ts";

/** Every hop keeps about 16 KiB of pad open, however slow its link is: more at once might be refused again and again. */
const ORDER_BYTES_MAX = 15_360;

export interface OnDemand {
  /**
   * Starts, or joins, a relay for the pool. Resolves when it ended, or with the deadline.
   *
   * @returns whether it brought key: others who wait may have taken all of it
   */
  bring(
    pool: OutboundPool,
    need: { readonly count: number; readonly sizeBytes: number },
    deadline: AbortSignal,
  ): Promise<boolean>;
}

/** @param planner  told of each miss, so that the pool is refilled behind the request */
export function createOnDemand(relay: KeyRelay, planner: Bell, log: Logger): OnDemand {
  const underWay = new Map<OutboundPool, Promise<boolean>>();

  const order = async (pool: OutboundPool, segmentBytes: number, deadline: AbortSignal): Promise<boolean> => {
    const { remote: target, keyClass } = pool.id;
    try {
      const outcome = await relay.establish(
        { target, keyClass, segmentBytes: [segmentBytes], urgency: "on-demand" },
        deadline,
      );
      if (outcome.kind !== "established") {
        const why = outcome.kind === "refused" ? { reason: outcome.reason, atHop: outcome.atHop } : {};
        log.info("on-demand relay failed", { target, outcome: outcome.kind, ...why });
      }
      return outcome.kind === "established";
    } catch (failure) {
      if (!isQkdError(failure, "CANCELLED", "DEADLINE")) throw failure;
      return false;
    }
  };

  return {
    async bring(pool, { count, sizeBytes }, deadline) {
      planner.ring();
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
      const { promise, resolve } = Promise.withResolvers<boolean>();
      deadline.addEventListener("abort", () => resolve(false), { once: true });
      return Promise.race([running, promise]);
    },
  };
}
