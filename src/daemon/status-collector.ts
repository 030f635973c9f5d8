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
import type { PeerCertificateSeen } from "../io/peer-identity.ts";
import type { AuditStatus } from "../io/audit-file-trail.ts";
import type { NodeId } from "../model/ids.ts";
import type { LinkReport } from "../link/qkd-link.ts";
import { BITS_PER_BYTE, HOUR_MS } from "../model/units.ts";
import type { TrustedNode } from "../node/trusted-node.ts";
import type { InboundPool } from "../relay/inbound-pool.ts";
import type { OutboundPool } from "../relay/outbound-pool.ts";
import type { Clock, MonotonicMs, WallMs } from "../runtime/clock.ts";
import type { DaemonConfig } from "./config-file.ts";
import type { Liveness } from "./liveness.ts";
import { planStatus } from "./plan-collector.ts";
import type { OwnCertificates } from "./own-certificates.ts";

export interface StatusParts {
  readonly config: DaemonConfig;
  readonly node: TrustedNode;
  readonly clock: Clock;
  readonly certificates: Pick<OwnCertificates, "tls" | "trouble">;
  /** Until when the certificates are good that neighbours have shown. */
  readonly peerCertificates: () => ReadonlyMap<NodeId, PeerCertificateSeen>;
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
      draining: node.drain.active,
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
      certificateTrouble: parts.certificates.trouble(),
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

function certificatesOf({ certificates, peerCertificates, clock }: StatusParts): readonly CertificateStatus[] {
  const tls = certificates.tls();
  const daysLeft = (notAfter: WallMs): number => (notAfter - clock.wall()) / (24 * HOUR_MS);
  const shown = [
    { use: "peers", cert: tls.kx.cert },
    ...(tls.etsi014 === undefined ? [] : [{ use: "SAEs", cert: tls.etsi014.cert }]),
  ];
  const own = shown.map(({ use, cert }) => {
    const { subject, validToDate } = new X509Certificate(cert);
    const notAfter = validToDate.getTime();
    return { use, subject: subject.replaceAll("\n", ", "), notAfter, daysLeft: daysLeft(notAfter) };
  });
  const theirs = [...peerCertificates()].sort(([one], [other]) => (one < other ? -1 : 1));
  const seen = theirs.map(([node, certificate]) => ({ use: `peer ${node}`, ...certificate }));
  return [...own, ...seen.map((certificate) => ({ ...certificate, daysLeft: daysLeft(certificate.notAfter) }))];
}
