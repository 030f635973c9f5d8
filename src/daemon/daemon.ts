/** One daemon: ports, node, and the servers in front of it. */
import manifest from "../../package.json" with { type: "json" };
import { createApiMetrics } from "../api/api-metrics.ts";
import { createEtsi014Handlers } from "../api/etsi014/handlers.ts";
import { refuseExchange } from "../api/etsi014/replies.ts";
import { createOperatorHandlers, refuseOperatorExchange } from "../api/operator/handlers.ts";
import type { DriverCatalog } from "../driver/driver-catalog.ts";
import { collectOperator, createOperatorMetrics } from "../api/operator/operator-metrics.ts";
import { openHttpServer } from "../io/http-server.ts";
import { openSaeServer } from "../io/https-server.ts";
import type { NodePorts } from "../node/ports.ts";
import { openTrustedNode } from "../node/trusted-node.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Scope } from "../runtime/scope.ts";
import type { KeySupply } from "../supply/key-supply.ts";
import type { DaemonConfig } from "./config-file.ts";
import { type Liveness, watchLiveness } from "./liveness.ts";
import { openRealPorts, type OpenedPorts } from "./real-ports.ts";
import { auditDoor } from "./door-audit.ts";
import { createStatusCollector, type StatusCollector } from "./status-collector.ts";
import { countSupply } from "./supply-totals.ts";

/** Within the 5 s that an orderly end may take. */
const HTTP_LIMITS = { closeGraceMs: 2_000 };

export interface Daemon {
  readonly operatorUrl: string;
  readonly etsi014Url: string | undefined;
  readonly liveness: Liveness;
  readonly status: StatusCollector["status"];
}

export interface DaemonParts {
  readonly drivers: DriverCatalog;
  readonly log: Logger;
  readonly onFatal: NodePorts["onFatal"];
  readonly credentialsFolder: string | undefined;
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
  const { clock, metrics, audit } = opened.ports;
  audit.record({ event: "start", version: manifest.version, pid: process.pid, configuration: config.digest });
  const node = await openTrustedNode(config.node, opened.ports, scope.child("node"));
  const { supply, totals } = countSupply(node.supply);
  const liveness = watchLiveness({ clock, writingSince: () => node.vault.writingSince }, scope);
  const notReady = new Set(["the servers do not listen yet"]);
  const { health, status } = createStatusCollector({
    ...opened,
    config,
    node,
    audit: () => audit.status(),
    clock,
    totals,
    liveness,
    notReady: () => [...notReady],
  });
  const operatorMetrics = createOperatorMetrics(metrics);
  const metricsText = async (): ReturnType<typeof metrics.text> => {
    collectOperator(operatorMetrics, await status());
    return metrics.text();
  };
  const handle = createOperatorHandlers({ health, status, metricsText });
  const operator = { listen: config.operator.listen, handle, refuse: refuseOperatorExchange, log, limits: HTTP_LIMITS };
  const { url: operatorUrl } = await openHttpServer(operator, scope);
  const etsi014Url = await openEtsi014(config, { ...opened, supply, log }, scope);
  notReady.clear();
  scope.defer("not ready any more", () => void notReady.add("the node is closing"));
  return { operatorUrl, etsi014Url, liveness, status };
}

async function openEtsi014(
  config: DaemonConfig,
  { ports, tls, supply, log }: OpenedPorts & { readonly supply: KeySupply; readonly log: Logger },
  scope: Scope,
): Promise<string | undefined> {
  if (config.etsi014 === undefined || tls.etsi014 === undefined) return undefined;
  const metrics = createApiMetrics(ports.metrics, ["etsi014"]);
  const handle = createEtsi014Handlers(
    { supply, clock: ports.clock, log, metrics },
    { requestDeadlineMs: config.node.supply.onDemandDeadlineMs, perSae: config.etsi014.perSae },
  );
  const { url } = await openSaeServer(
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
  return url;
}
