/** One daemon: ports, node, and the servers in front of it. */
import { join } from "node:path";

import manifest from "../../package.json" with { type: "json" };
import { createApiMetrics } from "../api/api-metrics.ts";
import { createEtsi014Handlers } from "../api/etsi014/handlers.ts";
import { refuseExchange } from "../api/etsi014/replies.ts";
import { createOperatorHandlers, refuseOperatorExchange } from "../api/operator/handlers.ts";
import type { DriverCatalog } from "../driver/driver-catalog.ts";
import { collectOperator, createOperatorMetrics } from "../api/operator/operator-metrics.ts";
import { openHttpServer } from "../io/http-server.ts";
import { openSaeServer, type SaeServer } from "../io/https-server.ts";
import type { NodePorts } from "../node/ports.ts";
import { openTrustedNode, type TrustedNode } from "../node/trusted-node.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Scope } from "../runtime/scope.ts";
import type { KeySupply } from "../supply/key-supply.ts";
import type { DaemonConfig } from "./config-file.ts";
import { type Liveness, watchLiveness } from "./liveness.ts";
import { openRealPorts, type OpenedPorts, type RealPorts } from "./real-ports.ts";
import { auditDoor } from "./door-audit.ts";
import { serveNodeControl } from "./node-control.ts";
import { createZeroize, NO_TAMPER_INPUT, type TamperInput, watchTamperInput } from "./node-zeroize.ts";
import { type OwnCertificates, watchOwnCertificates } from "./own-certificates.ts";
import { createStatusCollector, type StatusCollector } from "./status-collector.ts";
import { countSupply } from "./supply-totals.ts";

/** Within the 5 s that an orderly end may take. */
const HTTP_LIMITS = { closeGraceMs: 2_000 };
/** Of Linux. */
const SOCKET_PATH_BYTES_MAX = 107;

export interface Daemon {
  readonly operatorUrl: string;
  readonly etsi014Url: string | undefined;
  readonly liveness: Liveness;
  readonly status: StatusCollector["status"];
  /** The path where drain and zeroize are taken. */
  readonly controlSocket: string;
  readonly certificates: OwnCertificates;
}

export interface DaemonParts {
  readonly drivers: DriverCatalog;
  readonly log: Logger;
  readonly onFatal: NodePorts["onFatal"];
  readonly credentialsFolder: string | undefined;
  /** $RUNTIME_DIRECTORY, which systemd sets. */
  readonly runtimeFolder: string | undefined;
  /** An operator asks the process to end in order. */
  readonly leave: (reason: string) => void;
  /** All key is being destroyed: nothing that fails from now on is a failure. Then it is done: the process ends at once. */
  readonly zeroizing: { readonly begun: () => void; readonly done: () => void };
}

/**
 * Opens a daemon: ready when this returns. The node is opened first, then the operator's port listens, and SAEs are
 * let in last.
 *
 * @throws QkdError CONFIG_INVALID, PORT_IN_USE, STORE_LOCKED, STORE_DAMAGED, STORE_FAILED, VERSION_MISMATCH
 */
export async function openDaemon(config: DaemonConfig, parts: DaemonParts, scope: Scope): Promise<Daemon> {
  const { log } = parts;
  const opened = await openRealPorts(config, parts, scope);
  const { clock, metrics, audit, transport } = opened.ports;
  audit.record({ event: "start", version: manifest.version, pid: process.pid, configuration: config.digest });
  const node = await openTrustedNode(config.node, opened.ports, scope.child("node"));
  const { supply, totals } = countSupply(node.supply);
  const liveness = watchLiveness({ clock, writingSince: () => node.vault.writingSince }, scope);
  const servers: { sae?: SaeServer | undefined } = {};
  const renewing = { ...opened, ...opened.ports, config, saeServer: () => servers.sae };
  const certificates = await watchOwnCertificates(renewing, scope);
  const { tamper, controlSocket } = await openControl(config, { ...opened.ports, ...parts, node }, scope);
  const notServing = new Set(["the servers do not listen yet"]);
  const { health, status } = createStatusCollector({
    config,
    node,
    audit: () => audit.status(),
    certificates,
    peerCertificates: () => transport.peerCertificates(),
    storeWarnings: opened.storeWarnings,
    clock,
    totals,
    liveness,
    notReady: () => [...notServing, ...drainReasons(node), ...tamper.troubles()],
  });
  const operatorMetrics = createOperatorMetrics(metrics);
  const metricsText = async (): ReturnType<typeof metrics.text> => {
    collectOperator(operatorMetrics, await status());
    return metrics.text();
  };
  const handle = createOperatorHandlers({ health, status, metricsText });
  const operator = { listen: config.operator.listen, handle, refuse: refuseOperatorExchange, log, limits: HTTP_LIMITS };
  const { url: operatorUrl } = await openHttpServer(operator, scope);
  servers.sae = await openEtsi014(config, { ...opened, supply, log }, scope);
  notServing.clear();
  scope.defer("not ready any more", () => void notServing.add("the node is closing"));
  return { operatorUrl, etsi014Url: servers.sae?.url, controlSocket, certificates, liveness, status };
}

const drainReasons = ({ drain }: TrustedNode): readonly string[] =>
  drain.active ? ["draining: it serves what it has in stock, and takes part in no relay"] : [];

/** Whoever may change the node, or destroy its key: the operator's socket, and the tamper input. */
async function openControl(
  config: DaemonConfig,
  parts: DaemonParts & RealPorts & { readonly node: TrustedNode },
  scope: Scope,
): Promise<{ readonly tamper: TamperInput; readonly controlSocket: string }> {
  const zeroize = createZeroize({ ...parts, ...parts.zeroizing });
  const tamper =
    config.tamper === undefined
      ? NO_TAMPER_INPUT
      : await watchTamperInput({ ...config.tamper, ...parts, zeroize }, scope);
  const controlSocket = config.operator.socket ?? join(parts.runtimeFolder ?? config.dataDir, "control.sock");
  if (Buffer.byteLength(controlSocket) > SOCKET_PATH_BYTES_MAX) {
    const sentence = `${controlSocket} is too long for a socket, which may have ${SOCKET_PATH_BYTES_MAX} bytes; name another one`;
    throw config.wrong("operator.socket", sentence);
  }
  await serveNodeControl({ ...parts, path: controlSocket, zeroize }, scope);
  return { tamper, controlSocket };
}

async function openEtsi014(
  config: DaemonConfig,
  { ports, tls, supply, log }: OpenedPorts & { readonly supply: KeySupply; readonly log: Logger },
  scope: Scope,
): Promise<SaeServer | undefined> {
  if (config.etsi014 === undefined || tls.etsi014 === undefined) return undefined;
  const metrics = createApiMetrics(ports.metrics, ["etsi014"]);
  const handle = createEtsi014Handlers(
    { supply, clock: ports.clock, log, metrics },
    { requestDeadlineMs: config.node.supply.onDemandDeadlineMs, perSae: config.etsi014.perSae },
  );
  return openSaeServer(
    {
      listen: config.etsi014.listen,
      tls: tls.etsi014,
      identify: { spiffeDomain: config.spiffeDomain },
      handle,
      refuse: refuseExchange,
      log,
      refused: auditDoor("sae", ports),
      replyLost: () => metrics.replyLost("etsi014"),
      limits: HTTP_LIMITS,
    },
    scope,
  );
}
