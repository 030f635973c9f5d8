/**
 * `minimal-buffer`: as little stock as serves demand without waiting, found by trying. The default.
 *
 * A request finds the pool empty when more is asked for within one lead time (from the need of key to its use at both ends)
 * than lies ready. So the stock aims at the demand of one lead time: the quantile of a Poisson law with the measured rate and
 * clumps; or the largest request of the last minutes, and twice the most that one lead time has seen beside it; whichever is more.
 *
 * probe: a request that had to wait although pad was there has shown that this is too little, so the stock doubles.
 * hold:  nothing was missed for a while. What was not touched for that while is too much, so the stock shrinks.
 *
 * A request that waits because links have no pad changes nothing: more stock would take pad from other pools that wait as well.
 */
import type { KeyClass, NodeId } from "../../model/ids.ts";
import { SECOND_MS } from "../../model/units.ts";
import type { MonotonicMs } from "../../runtime/clock.ts";
import { stockFor } from "../estimators/poisson.ts";
import {
  heldBytes,
  heldText,
  type Grade,
  type PoolPlan,
  type PoolView,
  type PreEstablishmentStrategy,
} from "../pre-establishment-strategy.ts";

/** Which part of all requests may find too little stock, were demand as the estimates say. */
const MISS_RATIO: Readonly<Record<Grade, number>> = { gold: 1e-4, silver: 1e-3, bronze: 1e-2 };
/** What else the largest window has seen is multiplied by this: the next may see more, and relays be late together with it. */
const WINDOW_GUARD = 2;
/** Without a miss for so long, or so many lead times, probing ends. */
const HOLD_MS_MIN = 10 * SECOND_MS;
const HOLD_LEAD_TIMES = 100;
/** A lead time longer than when holding began by this factor is another network: probe again. */
const LEAD_TIME_GROWTH = 1.5;
const SHRINK_PERIOD_MS = SECOND_MS;
const SHRINK_PART = 1 / 4;
/** Orders wait until they are worth about one part in so many of the stock: a relay for each key would cost more than the key. */
const ORDERS_PER_TARGET = 8;
/** A fast rate above this multiple of the slow one, and of more than some clumps, is a burst. */
const BURST_FACTOR = 2;
const BURST_CLUMPS_PER_SECOND = 4;

interface PoolMemory {
  readonly phase: "probe" | "hold";
  readonly targetKeys: number;
  readonly latencyMisses: number;
  readonly supplyMisses: number;
  /** Of the last doubling: misses within a lead time of it are the same event. */
  readonly grownAt: MonotonicMs | undefined;
  readonly probeUntil: MonotonicMs;
  readonly shrunkAt: MonotonicMs;
  /** When holding began. */
  readonly leadTimeMs: number;
}

type Memory = ReadonlyMap<string, PoolMemory>;

export const minimalBuffer: PreEstablishmentStrategy<Memory> = {
  name: "minimal-buffer",
  begin: () => new Map(),
  next({ now, pools }, memory) {
    const after = new Map(memory);
    const plans = pools.map((pool) => {
      const name = poolName(pool.target, pool.keyClass);
      const { plan, remembered } = planFor(pool, memory.get(name) ?? newMemory(pool, now), now);
      after.set(name, remembered);
      return plan;
    });
    return { plans, memory: after };
  },
};

function planFor(
  pool: PoolView,
  memory: PoolMemory,
  now: MonotonicMs,
): { readonly plan: PoolPlan; readonly remembered: PoolMemory } {
  const need = needOf(pool);
  const stepped = memory.phase === "probe" ? probe(pool, memory, now) : hold(pool, memory, need.keys, now);
  const { latency, supply } = pool.misses;
  const targetKeys = clamp(Math.max(stepped.targetKeys, need.keys), pool);
  const remembered = { ...stepped, targetKeys, latencyMisses: latency, supplyMisses: supply };
  const missing = targetKeys * pool.keyBytes - heldBytes(pool);
  const scarce = supply > memory.supplyMisses ? "; links lacked pad for a request: the target stays" : "";
  const why = need.burst ? `${need.why} (a burst)` : need.why;
  return {
    plan: {
      target: pool.target,
      keyClass: pool.keyClass,
      phase: remembered.phase,
      targetKeys,
      lowKeys: Math.ceil(targetKeys / 2),
      orderBytes: missing >= worthAnOrder(targetKeys) * pool.keyBytes ? missing : 0,
      reason: `${heldText(pool, targetKeys)}, ${why}${scarce}`,
    },
    remembered,
  };
}

/** What the estimates call for, and by which of them. */
function needOf(pool: PoolView): { readonly keys: number; readonly why: string; readonly burst: boolean } {
  const { keyBytes, grade, policy, demand, leadTime } = pool;
  const burst = isBurst(pool);
  const bytesPerSecond = burst ? demand.fastBytesPerSecond : demand.slowBytesPerSecond;
  const meanKeys = (bytesPerSecond * leadTime.boundMs) / SECOND_MS / keyBytes;
  const byRate = Math.ceil(stockFor(meanKeys, demand.clumpBytes / keyBytes, MISS_RATIO[grade]));
  // two of the largest requests within one lead time are rare, and a matter of the rate
  const besideBytes = Math.max(0, demand.largestWindowBytes - demand.largestRequestBytes);
  const byWindow = Math.ceil((demand.largestRequestBytes + WINDOW_GUARD * besideBytes) / keyBytes);
  const keys = Math.max(byRate, byWindow);
  if (keys <= policy.minKeys) return { keys: policy.minKeys, why: "the least that the policy allows", burst: false };
  if (byRate >= byWindow) return { keys, why: "for demand at its rate", burst };
  const why = besideBytes > 0 ? "for the most that one lead time asked for lately" : "for the largest request of late";
  return { keys, why, burst };
}

/** The last second stands out, and not by a request or two. */
function isBurst({ demand: { fastBytesPerSecond: fast, slowBytesPerSecond: slow, clumpBytes } }: PoolView): boolean {
  return fast > BURST_FACTOR * slow && fast > BURST_CLUMPS_PER_SECOND * clumpBytes;
}

function probe(pool: PoolView, memory: PoolMemory, now: MonotonicMs): PoolMemory {
  if (isTooLittle(pool, memory)) return grown(pool, memory, now);
  if (now < memory.probeUntil) return memory;
  return { ...memory, phase: "hold", shrunkAt: now, leadTimeMs: pool.leadTime.boundMs };
}

function hold(pool: PoolView, memory: PoolMemory, needKeys: number, now: MonotonicMs): PoolMemory {
  if (isTooLittle(pool, memory)) return grown(pool, memory, now);
  const { demand, leadTime, keyBytes } = pool;
  if (leadTime.boundMs > LEAD_TIME_GROWTH * memory.leadTimeMs) {
    return { ...memory, phase: "probe", probeUntil: now + holdMs(pool) };
  }
  if (now < memory.shrunkAt + SHRINK_PERIOD_MS) return memory;
  const untouched = Math.floor((demand.lowestStockBytes ?? pool.stockBytes) / keyBytes);
  const surplus = untouched > 1 ? Math.max(1, Math.floor(untouched * SHRINK_PART)) : 0;
  const leadTimeMs = Math.min(memory.leadTimeMs, leadTime.boundMs);
  return { ...memory, targetKeys: Math.max(needKeys, memory.targetKeys - surplus), shrunkAt: now, leadTimeMs };
}

/** A miss, and the target was ordered: where orders could not be sent, another target would have changed nothing. */
function isTooLittle(pool: PoolView, { latencyMisses, targetKeys }: PoolMemory): boolean {
  const { misses, stockBytes, inFlightBytes, keyBytes, demand } = pool;
  if (misses.latency <= latencyMisses) return false;
  const unorderedBytes = targetKeys * keyBytes - stockBytes - inFlightBytes;
  return unorderedBytes <= demand.largestWindowBytes + worthAnOrder(targetKeys) * keyBytes;
}

const worthAnOrder = (targetKeys: number): number => Math.max(1, Math.floor(targetKeys / ORDERS_PER_TARGET));

function grown(pool: PoolView, memory: PoolMemory, now: MonotonicMs): PoolMemory {
  const probeUntil = now + holdMs(pool);
  const again = memory.grownAt !== undefined && now < memory.grownAt + pool.leadTime.boundMs;
  if (again) return { ...memory, phase: "probe", probeUntil };
  return { ...memory, phase: "probe", probeUntil, grownAt: now, targetKeys: 2 * memory.targetKeys + 1 };
}

function newMemory(pool: PoolView, now: MonotonicMs): PoolMemory {
  const { latency, supply } = pool.misses;
  return {
    phase: "probe",
    targetKeys: 0,
    latencyMisses: latency,
    supplyMisses: supply,
    grownAt: undefined,
    probeUntil: now + holdMs(pool),
    shrunkAt: now,
    leadTimeMs: pool.leadTime.boundMs,
  };
}

const holdMs = ({ leadTime }: PoolView): number => Math.max(HOLD_MS_MIN, HOLD_LEAD_TIMES * leadTime.boundMs);

const clamp = (keys: number, { policy }: PoolView): number => Math.min(policy.maxKeys, Math.max(policy.minKeys, keys));

const poolName = (target: NodeId, keyClass: KeyClass): string => `${target}/${keyClass}`;
