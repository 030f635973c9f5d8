/** The ports of a node as this machine has them: the only place where a node meets its outside world. */
import { join } from "node:path";

import type { DriverCatalog } from "../driver/driver-catalog.ts";
import { type AuditFileTrail, openAuditFileTrail } from "../io/audit-file-trail.ts";
import { destroySlotFile, openDiskSlotFile } from "../io/disk-slot-file.ts";
import { createGrpcPeerTransport, type GrpcPeerTransport } from "../io/grpc-peer-transport.ts";
import { openLevelDatabase } from "../io/level-database.ts";
import { createPrometheusRegistry, type PrometheusRegistry } from "../io/prometheus-registry.ts";
import { openSerialPort } from "../io/serial-port.ts";
import { createSystemClock } from "../io/system-clock.ts";
import { createSystemRandom } from "../io/system-random.ts";
import type { NodePorts } from "../node/ports.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Scope } from "../runtime/scope.ts";
import type { DaemonConfig } from "./config-file.ts";
import { auditDoor } from "./door-audit.ts";
import { readRoot } from "./root-key.ts";
import { readTlsFiles, type DaemonTls } from "./tls-files.ts";

const RECORDS_FOLDER = "records";
const KEY_BAG_FILE = "key-bag";

export interface RealPorts extends NodePorts {
  readonly metrics: PrometheusRegistry;
  readonly audit: AuditFileTrail;
  readonly transport: GrpcPeerTransport;
}

export interface OpenedPorts {
  readonly ports: RealPorts;
  readonly tls: DaemonTls;
  /** What LevelDB said about damage that it found; empty when all is well. */
  readonly storeWarnings: readonly string[];
}

/**
 * Opens what the configuration names; `scope` closes it. The store's lock comes first: nothing of a store that another
 * process has open is touched.
 *
 * @throws QkdError CONFIG_INVALID, STORE_LOCKED, STORE_DAMAGED, STORE_FAILED
 */
export async function openRealPorts(
  config: DaemonConfig,
  parts: {
    readonly drivers: DriverCatalog;
    readonly log: Logger;
    readonly onFatal: NodePorts["onFatal"];
    readonly credentialsFolder: string | undefined;
  },
  scope: Scope,
): Promise<OpenedPorts> {
  const { drivers, log, onFatal } = parts;
  const clock = createSystemClock();
  const random = createSystemRandom();
  const tls = await readTlsFiles(config, clock.wall());
  const root = await readRoot(config, parts.credentialsFolder);
  scope.defer("erase the root key", () => root.erase());
  const { database, warnings } = await openLevelDatabase(join(config.dataDir, RECORDS_FOLDER), scope);
  if (warnings.length > 0) {
    const facts = { lines: warnings.length, first: warnings[0]! };
    log.error("LevelDB found damage while it opened, and passed over it: records may be missing", facts);
  }
  const keyBagFile = await openDiskSlotFile(join(config.dataDir, KEY_BAG_FILE), scope);
  const nvFile = config.kek === "ephemeral" ? undefined : await openDiskSlotFile(config.nvFile, scope);
  if (nvFile === undefined) await destroySlotFile(config.nvFile); // of a life that was not ephemeral
  const metrics = createPrometheusRegistry({ ofProcess: true });
  const audit = await openAuditFileTrail({ ...config.audit, clock, log, metrics }, scope);
  const transport = createGrpcPeerTransport({
    self: config.node.node,
    listen: config.kx.listen,
    peers: config.kx.peers,
    tls: tls.kx,
    spiffeDomain: config.spiffeDomain,
    log,
    refused: auditDoor("peer", { audit, clock }),
  });
  const driverHost = { clock, random, log, openSerialPort };
  const store = { database, keyBagFile, nvFile, root };
  return {
    ports: { clock, random, log, metrics, audit, ...store, transport, drivers, driverHost, onFatal },
    tls,
    storeWarnings: warnings,
  };
}
