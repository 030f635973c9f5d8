/** Sets the gauges of a node from its state, right before each scrape. */
import type { LinkReport } from "../link/qkd-link.ts";
import type { LinkMetrics } from "../link/link-metrics.ts";
import { BITS_PER_BYTE, SECOND_MS } from "../model/units.ts";
import type { PoolEstimates } from "../pre-establishment/pool-estimates.ts";
import type { PoolPlan, PoolView } from "../pre-establishment/pre-establishment-strategy.ts";
import type { PreEstablishmentMetrics } from "../pre-establishment/pre-establishment-metrics.ts";
import type { OutboundPool } from "../relay/outbound-pool.ts";
import type { PoolDirectory } from "../relay/pool-directory.ts";
import type { PoolId } from "../relay/pool-records.ts";
import type { RelayMetrics } from "../relay/relay-metrics.ts";
import type { SplitMetrics } from "../relay/split-metrics.ts";
import type { MonotonicMs } from "../runtime/clock.ts";
import type { Balances } from "../store/ledger.ts";
import type { PoolReach } from "./pool-reach.ts";

/** What key was used for, or lost as, from the accounts that only grow. The rest of what was generated is still held. */
const USES: Readonly<Record<string, (balances: Balances) => number>> = {
  generated: ({ received }) => received,
  otp: ({ pads }) => pads,
  mac: ({ tags, proofs }) => tags + proofs,
  supply: ({ supplied }) => supplied,
  tails: ({ tails }) => tails,
  expired: ({ expired }) => expired,
  discarded: ({ discarded }) => discarded,
  burned: ({ burned, burnedOpen }) => burned + burnedOpen,
};
const STATUSES = ["ACTIVE", "PASSIVE", "PENDING", "OFF"] as const;

export function collectLink(metrics: LinkMetrics, report: LinkReport): void {
  const { link } = report;
  const status = report.module?.status;
  metrics.sessions.set({ link }, report.sessionUp ? 1 : 0);
  const ownNeedBps = report.ownNeedBytesPerSecond * BITS_PER_BYTE;
  const rateBps = status?.state === "generating" ? (status.secretKeyRateBps ?? 0) : 0;
  metrics.secretKeyRate.set({ link }, rateBps);
  metrics.effectiveRate.set({ link }, Math.max(0, rateBps - ownNeedBps));
  metrics.expectedConsumption.set({ link }, report.demandBytesPerSecond * BITS_PER_BYTE);
  metrics.qber.set({ link }, status?.qber ?? Number.NaN);
  for (const name of STATUSES) metrics.status.set({ link, status: name }, name === statusOf(report) ? 1 : 0);
  if (report.module !== undefined) {
    const { garbageRuns, crcErrors, keysRefused } = report.module.faults;
    metrics.deviceFaults.set({ link, fault: "garbage" }, garbageRuns);
    metrics.deviceFaults.set({ link, fault: "crc" }, crcErrors);
    metrics.deviceFaults.set({ link, fault: "key-refused" }, keysRefused);
  }
  for (const part of ["module", "agreement", "tags"] as const) {
    metrics.outOfService.set({ link, part }, report.outOfService.some((out) => out.part === part) ? 1 : 0);
  }
  const stock = {
    quarantine: report.quarantineBytes,
    outbound: report.outboundBytes,
    inbound: report.inboundBytes,
    open: report.openOutboundBytes + report.openInboundBytes,
  };
  for (const [state, bytes] of Object.entries(stock)) metrics.stockBits.set({ link, state }, bytes * BITS_PER_BYTE);
  for (const [use, bytes] of Object.entries(USES)) {
    metrics.keyBits.set({ link, use }, bytes(report.balances) * BITS_PER_BYTE);
  }
}

/** ETSI GS QKD 015 V2.1.1, link states: key comes; key is left; never any yet; nothing. */
function statusOf(report: LinkReport): (typeof STATUSES)[number] {
  if (report.module?.status.state === "generating") return "ACTIVE";
  if (report.outboundBytes + report.openOutboundBytes > 0) return "PASSIVE";
  return report.balances.received === 0 ? "PENDING" : "OFF";
}

export function collectPool(
  metrics: RelayMetrics,
  { id, stockBytes }: { readonly id: PoolId; readonly stockBytes: number },
  { balances, keyBytes }: { readonly balances: Balances; readonly keyBytes: number },
): void {
  const labels = { remote: id.remote, direction: id.direction, class: id.keyClass };
  metrics.poolBits.set({ ...labels, state: "available" }, stockBytes * BITS_PER_BYTE);
  for (const [use, bytes] of Object.entries(USES)) {
    metrics.poolKeyBits.set({ ...labels, use }, bytes(balances) * BITS_PER_BYTE);
  }
  const voidedBytes = balances.burned + balances.burnedOpen + balances.tails;
  metrics.waste.set({ ...labels, cause: "expired" }, balances.expired / keyBytes);
  metrics.waste.set({ ...labels, cause: "voided" }, voidedBytes / keyBytes);
}

/** Pools whose key comes in shares. */
export function collectSplit(metrics: SplitMetrics, { outbound, inbound }: PoolDirectory, reach: PoolReach): void {
  for (const { id, degradedBytes } of [...outbound, ...inbound]) {
    if (reach.splitOf(id) === undefined) continue;
    const { remote, keyClass, direction } = id;
    metrics.degradedBits.set({ remote, direction, class: keyClass }, degradedBytes * BITS_PER_BYTE);
    if (direction === "inbound") continue;
    const { routes, wanted } = reach.ways(id);
    metrics.disjointRoutes.set({ remote, class: keyClass, kind: "wanted" }, wanted);
    metrics.disjointRoutes.set({ remote, class: keyClass, kind: "found" }, routes.length);
  }
}

/** What the target's side holds for keys that the remote node gives out. */
export function collectInboundKeys(
  metrics: PreEstablishmentMetrics,
  { id, stockBytes }: { readonly id: PoolId; readonly stockBytes: number },
  keyBytes: number,
): void {
  const labels = { remote: id.remote, direction: id.direction, class: id.keyClass };
  metrics.keys.set({ ...labels, state: "available" }, Math.floor(stockBytes / keyBytes));
}

export function collectPlan(metrics: PreEstablishmentMetrics, view: PoolView, plan: PoolPlan): void {
  const labels = { remote: view.target, direction: "outbound", class: view.keyClass };
  metrics.keys.set({ ...labels, state: "available" }, Math.floor(view.stockBytes / view.keyBytes));
  metrics.keys.set({ ...labels, state: "in-flight" }, Math.floor(view.inFlightBytes / view.keyBytes));
  metrics.watermark.set({ ...labels, kind: "low" }, plan.lowKeys);
  metrics.watermark.set({ ...labels, kind: "target" }, plan.targetKeys);
  const { slowBytesPerSecond } = view.demand;
  const pool = { remote: view.target, class: view.keyClass };
  metrics.demand.set(pool, slowBytesPerSecond / view.keyBytes);
  metrics.autonomy.set(pool, view.stockBytes === 0 ? 0 : view.stockBytes / slowBytesPerSecond);
}

export function collectEstimates(
  metrics: PreEstablishmentMetrics,
  { id }: OutboundPool,
  estimates: PoolEstimates,
  now: MonotonicMs,
): void {
  const pool = { remote: id.remote, class: id.keyClass };
  const { meanMs } = estimates.leadTime;
  metrics.leadTime.set(pool, meanMs === undefined ? Number.NaN : meanMs / SECOND_MS);
  metrics.forecastError.set(pool, estimates.forecastErrorRatio(now) ?? Number.NaN);
}
