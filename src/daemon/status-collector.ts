/** A node's status of this moment, put together from its rooms. */
import { X509Certificate } from "node:crypto";
import { statfs } from "node:fs/promises";

import manifest from "../../package.json" with { type: "json" };
import type {
  CertificateStatus,
  HealthReport,
  LinkStatus,
  NodeStatus,
  PoolStatus,
  SupplyTotals,
} from "../api/operator/node-status.ts";
import { mapStatusOf } from "../api/operator/map-status.ts";
import type { AuditStatus } from "../io/audit-file-trail.ts";
import type { LinkReport } from "../link/qkd-link.ts";
import { BITS_PER_BYTE, HOUR_MS } from "../model/units.ts";
import type { TrustedNode } from "../node/trusted-node.ts";
import type { InboundPool } from "../relay/inbound-pool.ts";
import type { OutboundPool } from "../relay/outbound-pool.ts";
import type { Clock, MonotonicMs } from "../runtime/clock.ts";
import type { DaemonConfig } from "./config-file.ts";
import type { Liveness } from "./liveness.ts";
import { planStatus } from "./plan-collector.ts";
import type { DaemonTls } from "./tls-files.ts";

export interface StatusParts {
  readonly config: DaemonConfig;
  readonly node: TrustedNode;
  readonly clock: Clock;
  readonly tls: DaemonTls;
  readonly storeWarnings: readonly string[];
  readonly audit: () => AuditStatus;
  readonly totals: () => SupplyTotals;
  readonly liveness: Liveness;
  /** Why no SAE should be sent here, beyond what the node itself says; empty when its servers listen. */
  readonly notReady: () => readonly string[];
}

export interface StatusCollector {
  health(): HealthReport;
  status(): Promise<NodeStatus>;
}

export function createStatusCollector(parts: StatusParts): StatusCollector {
  const { config, node, clock, totals, storeWarnings } = parts;
  const openedAt = clock.monotonic();
  const health = (): HealthReport => {
    const stuck = parts.liveness.troubles();
    const reasons = [...stuck, ...parts.notReady(), ...node.alarms()];
    return { live: stuck.length === 0, ready: reasons.length === 0, reasons };
  };
  return {
    health,
    status: async () => ({
      node: node.id,
      version: manifest.version,
      uptimeMs: Math.round(clock.monotonic() - openedAt),
      health: health(),
      store: {
        stockBytes: stockBytesOf(node),
        ...(await diskFree(config.dataDir)),
        epoch: node.vault.epoch,
        troubles: [
          ...storeWarnings.map((warning) => `LevelDB: ${warning}`),
          ...node.vault.troubles(),
          ...node.removedStock,
        ],
      },
      links: node.links.map((link) => linkStatus(link.report())),
      pools: [
        ...node.pools.outbound.map((pool) => outboundStatus(pool, node, clock.monotonic())),
        ...node.pools.inbound.map((pool) => inboundStatus(pool, node, config)),
      ],
      map: mapStatusOf(
        node.topology,
        node.pools.outbound.map(({ id }) => id.remote),
      ),
      ledger: node.vault.ledger.owners().map((owner) => ({ owner, balances: node.vault.ledger.balances(owner) })),
      supply: totals(),
      audit: parts.audit(),
      certificates: certificatesOf(parts),
      clockTroubles: node.clockTroubles(),
    }),
  };
}

function stockBytesOf({ vault }: TrustedNode): number {
  return vault.ledger.owners().reduce((sum, owner) => sum + vault.ledger.balances(owner).stock, 0);
}

async function diskFree(folder: string): Promise<{ readonly diskFreeBytes?: number }> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return { diskFreeBytes: bavail * bsize };
  } catch {
    return {}; // a file system that does not tell
  }
}

function linkStatus(report: LinkReport): LinkStatus {
  const { module } = report;
  return {
    id: report.link,
    neighbour: report.neighbour,
    session: report.sessionUp ? "up" : "down",
    module: module === undefined ? { state: "absent" } : { ...module.status, ...module.identity },
    stockBytes: {
      quarantine: report.quarantineBytes,
      outbound: report.outboundBytes,
      inbound: report.inboundBytes,
      open: report.openOutboundBytes + report.openInboundBytes,
    },
    stockIsFull: report.stockIsFull,
    troubles: report.troubles,
  };
}

function outboundStatus(pool: OutboundPool, node: TrustedNode, now: MonotonicMs): PoolStatus {
  const view = node.view(pool);
  const { targetKeys, lowKeys } = node.scheduler.report(pool).plan;
  return {
    ...pool.id,
    stockBytes: pool.stockBytes,
    keys: pool.wholeKeys(view.keyBytes),
    targetKeys,
    lowKeys,
    inFlightBytes: view.inFlightBytes,
    misses: { ...view.misses },
    ...splitStatus(pool, node),
    plan: planStatus(pool, node, now),
  };
}

function inboundStatus(pool: InboundPool, node: TrustedNode, config: DaemonConfig): PoolStatus {
  const keyBytes = config.node.supply.keySizeDefaultBits / BITS_PER_BYTE;
  const { id, stockBytes } = pool;
  const keys = Math.floor(stockBytes / keyBytes);
  return { ...id, stockBytes, keys, inFlightBytes: 0, ...splitStatus(pool, node) };
}

function splitStatus(pool: OutboundPool | InboundPool, { reach }: TrustedNode): Pick<PoolStatus, "split"> {
  const policy = reach.splitOf(pool.id);
  if (policy === undefined) return {};
  const { routes, wanted } = reach.ways(pool.id);
  const { whenTooFewRoutes } = policy;
  const { degradedBytes } = pool;
  return { split: { wantedRoutes: wanted, routes: routes.length, whenTooFewRoutes, degradedBytes } };
}

function certificatesOf({ tls, clock }: StatusParts): readonly CertificateStatus[] {
  const shown = [
    { use: "peers", cert: tls.kx.cert },
    ...(tls.etsi014 === undefined ? [] : [{ use: "SAEs", cert: tls.etsi014.cert }]),
  ];
  return shown.map(({ use, cert }) => {
    const { subject, validToDate } = new X509Certificate(cert);
    const notAfter = validToDate.getTime();
    const daysLeft = (notAfter - clock.wall()) / (24 * HOUR_MS);
    return { use, subject: subject.replaceAll("\n", ", "), notAfter, daysLeft };
  });
}
