/** The fallback when a pool is too short: one relay for all who wait, ahead of all refilling. */
import { isQkdError } from "../model/errors.ts";
import type { Logger } from "../runtime/logger.ts";
import type { KeyRelay } from "../relay/key-relay.ts";
import type { OutboundPool } from "../relay/outbound-pool.ts";
import type { DemandListener } from "./demand-listener.ts";

/** Every hop keeps about 16 KiB of pad open, however slow its link is: more at once might be refused again and again. */
const ORDER_BYTES_MAX = 15_360;

/** Keys of one size that a request lacks. */
export interface KeyNeed {
  readonly count: number;
  readonly sizeBytes: number;
}

export interface OnDemand {
  /**
   * Starts, or joins, a relay for the pool. Resolves when it ended, or with the deadline.
   *
   * @returns whether it brought key: others who wait may have taken all of it
   */
  bring(pool: OutboundPool, need: KeyNeed, deadline: AbortSignal): Promise<"brought" | "failed">;
}

export interface OnDemandParts {
  readonly relay: Pick<KeyRelay, "establish">;
  readonly demand: Pick<DemandListener, "relayed">;
  readonly log: Logger;
}

interface UnderWay {
  readonly ended: Promise<"brought" | "failed">;
  /** Of those who came after it was sent: the next one is for them. */
  joinedBytes: number;
}

export function createOnDemand({ relay, demand, log }: OnDemandParts): OnDemand {
  const underWay = new Map<OutboundPool, UnderWay>();
  const leftBytes = new Map<OutboundPool, number>();

  const order = async (pool: OutboundPool, bytes: number, deadline: AbortSignal): Promise<"brought" | "failed"> => {
    const { remote: target, keyClass } = pool.id;
    try {
      const wish = { target, keyClass, segmentBytes: [bytes], urgency: "on-demand" } as const;
      const outcome = await relay.establish(wish, deadline);
      if (outcome.kind === "established") {
        demand.relayed(pool.id, outcome.tookMs);
        return "brought";
      }
      const why = outcome.kind === "refused" ? { reason: outcome.reason, atHop: outcome.atHop } : {};
      log.info("on-demand relay failed", { target, outcome: outcome.kind, ...why });
    } catch (failure) {
      if (!isQkdError(failure, "CANCELLED", "DEADLINE")) throw failure;
    }
    return "failed";
  };

  /** With what others still lack who waited for the one before. */
  const start = (pool: OutboundPool, { count, sizeBytes }: KeyNeed, deadline: AbortSignal): UnderWay => {
    const keysMax = Math.max(1, Math.floor(ORDER_BYTES_MAX / sizeBytes));
    const keys = Math.ceil(Math.max(count * sizeBytes, leftBytes.get(pool) ?? 0) / sizeBytes);
    leftBytes.delete(pool);
    const ended = order(pool, Math.min(keys, keysMax) * sizeBytes, deadline).finally(() => {
      underWay.delete(pool);
      if (started.joinedBytes > 0) leftBytes.set(pool, started.joinedBytes);
    });
    const started: UnderWay = { ended, joinedBytes: 0 };
    underWay.set(pool, started);
    return started;
  };

  return {
    async bring(pool, need, deadline) {
      const running = underWay.get(pool);
      if (running !== undefined) running.joinedBytes += need.count * need.sizeBytes;
      const { ended } = running ?? start(pool, need, deadline);
      const { promise, resolve } = Promise.withResolvers<"failed">();
      const late = (): void => resolve("failed");
      deadline.addEventListener("abort", late, { once: true });
      try {
        return await Promise.race([ended, promise]);
      } finally {
        deadline.removeEventListener("abort", late);
      }
    },
  };
}
