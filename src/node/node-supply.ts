/** Key supply of a node: from stock, on demand where that is short, and under audit. */
import type { DemandBook } from "../pre-establishment/demand-book.ts";
import type { KeyRelay } from "../relay/key-relay.ts";
import type { MetricsRegistry } from "../runtime/metrics.ts";
import { auditSupply } from "../supply/audited-supply.ts";
import type { KeySupply } from "../supply/key-supply.ts";
import { createOnDemand } from "../supply/on-demand.ts";
import { createSaeSupply, type SaeSupplyParts } from "../supply/sae-supply.ts";
import { createSupplyMetrics } from "../supply/supply-metrics.ts";
import type { NodeConfig } from "./config.ts";
import type { PoolReach } from "./pool-reach.ts";
import type { NodePorts } from "./ports.ts";

export interface NodeSupplyParts extends Pick<SaeSupplyParts, "self" | "directory" | "pools"> {
  readonly reach: PoolReach;
  readonly relay: Pick<KeyRelay, "establish">;
  readonly demand: DemandBook;
  readonly metrics: MetricsRegistry;
  readonly ports: NodePorts;
}

export function createNodeSupply(parts: NodeSupplyParts, limits: NodeConfig["supply"]): KeySupply {
  const { ports, relay, demand, self, directory, pools, reach } = parts;
  const onDemand = createOnDemand({ relay, demand, log: ports.log });
  const metrics = createSupplyMetrics(parts.metrics);
  const { storedKeysMax, uuidVersion } = limits;
  const reached: Pick<SaeSupplyParts, "padBytes" | "blocked"> = {
    padBytes: (pool) => reach.padBytes(pool),
    blocked: (pool) => reach.ways(pool).blocked,
  };
  const rooms = { self, directory, pools, ...reached, onDemand, demand, metrics, clock: ports.clock };
  return auditSupply(createSaeSupply({ ...rooms, uuidVersion, storedKeysMax }, limits), ports);
}
