/** What the nodes of a test network are told: who there is, who may share keys with whom, where each listens. */
import { createServer } from "node:net";
import { join } from "node:path";
import type { DemoCertificates } from "../../src/daemon/demo-certificates.ts";
import { parseNodeId } from "../../src/model/ids.ts";

export const CHAIN = ["north", "hub", "south"] as const;
export type NodeName = (typeof CHAIN)[number];
export const LINKS = [
  ["hub", "north"],
  ["hub", "south"],
] as const;

export const SAES = {
  "sae-north": "north",
  "sae-hub": "hub",
  "sae-south": "south",
  "sae-other": "south",
  "sae-lonely": "south",
} as const;
export type SaeName = keyof typeof SAES;
/** `sae-lonely` shares keys with nobody. */
const PAIRS: readonly (readonly [SaeName, SaeName])[] = [
  ["sae-north", "sae-south"],
  ["sae-north", "sae-other"],
  ["sae-north", "sae-hub"],
  ["sae-hub", "sae-south"],
];

export interface NetworkOptions {
  readonly lowKeys?: number;
  readonly highKeys?: number;
  /** Secret key rate of each link. */
  readonly rateBps?: number;
  readonly logLevel?: "debug" | "info";
  /** Added to the fields of each daemon's configuration. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

export interface NodePlan {
  readonly id: NodeName;
  readonly folder: string;
  readonly configFile: string;
  readonly ports: { readonly kx: number; readonly etsi014: number; readonly operator: number };
}

export const linePath = (folder: string, at: string, towards: string): string =>
  join(folder, `line-${at}-to-${towards}`);

/** The fields of a node's configuration file. */
export function configOf(
  { id, ports }: NodePlan,
  network: { plans: readonly NodePlan[]; folder: string; certificates: DemoCertificates; options: NetworkOptions },
): object {
  const { folder, certificates, plans, options } = network;
  const { peer, saeFacing } = certificates.nodes.get(parseNodeId(id))!;
  const neighbours = LINKS.filter((link) => (link as readonly string[]).includes(id)).map(([a, b]) =>
    a === id ? b : a,
  );
  const at = (port: number): string => `127.0.0.1:${port}`;
  return {
    node: id,
    dataDir: "data",
    store: { root: { file: "root.key" } },
    kx: {
      listen: at(ports.kx),
      tls: { ca: certificates.peersCa, ...peer },
      peers: Object.fromEntries(plans.filter((plan) => plan.id !== id).map((plan) => [plan.id, at(plan.ports.kx)])),
    },
    etsi014: { listen: at(ports.etsi014), tls: { ca: certificates.saesCa, ...saeFacing } },
    operator: { listen: at(ports.operator) },
    links: neighbours.map((neighbour) => ({
      neighbour,
      driver: "serial-frame",
      module: { path: linePath(folder, id, neighbour) },
      limits: { segmentBytes: "8KiB", segmentAgeMax: "2s" },
    })),
    network: LINKS,
    saes: Object.entries(SAES).map(([sae, node]) => ({ id: sae, node })),
    pairs: PAIRS.map((between) => ({ between })),
    preEstablishment: { lowKeys: options.lowKeys ?? 64, highKeys: options.highKeys ?? 128 },
    log: { level: options.logLevel ?? "info" },
    ...options.fields,
  };
}

/** Below the range from which the system takes ports for connections: a daemon that is down keeps its ports. */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = 15_000 + Math.floor(17_000 * Math.random());
    if (!ports.has(port) && (await isFree(port))) ports.add(port);
  }
  return [...ports];
}

function isFree(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const server = createServer();
  server.on("error", () => resolve(false));
  server.listen({ port, host: "127.0.0.1" }, () => server.close(() => resolve(true)));
  return promise;
}
