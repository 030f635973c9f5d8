/** What the nodes of a test network are told: who there is, who may share keys with whom, where each listens. */
import type { SaeLimits } from "../../src/api/etsi014/sae-limits.ts";
import { createServer } from "node:net";
import { join } from "node:path";
import type { DemoCertificates } from "../../src/demo/demo-certificates.ts";
import { parseNodeId } from "../../src/model/ids.ts";

/** Nodes, the QKD links between them, which SAE lives where, and which may share keys. */
export interface NetworkShape<Node extends string = string, Sae extends string = string> {
  readonly nodes: readonly Node[];
  readonly links: readonly (readonly [Node, Node])[];
  readonly saes: Readonly<Record<Sae, Node>>;
  readonly pairs: readonly (readonly [Sae, Sae])[];
}

export type ChainNode = "north" | "hub" | "south";
export type ChainSae = "sae-north" | "sae-hub" | "sae-south" | "sae-other" | "sae-lonely";
export type RingNode = "oslo" | "riga" | "bonn" | "lyon" | "york";
export type RingSae = `sae-${RingNode}`;

/** North and south share no link. `sae-lonely` shares keys with nobody. */
export const CHAIN: NetworkShape<ChainNode, ChainSae> = {
  nodes: ["north", "hub", "south"],
  links: [
    ["hub", "north"],
    ["hub", "south"],
  ],
  saes: { "sae-north": "north", "sae-hub": "hub", "sae-south": "south", "sae-other": "south", "sae-lonely": "south" },
  pairs: [
    ["sae-north", "sae-south"],
    ["sae-north", "sae-other"],
    ["sae-north", "sae-hub"],
    ["sae-hub", "sae-south"],
  ],
};

/** Between any two nodes that are no neighbours there are two routes that share no node. */
export const RING: NetworkShape<RingNode, RingSae> = {
  nodes: ["oslo", "riga", "bonn", "lyon", "york"],
  links: [
    ["oslo", "riga"],
    ["bonn", "riga"],
    ["bonn", "lyon"],
    ["lyon", "york"],
    ["oslo", "york"],
  ],
  saes: { "sae-oslo": "oslo", "sae-riga": "riga", "sae-bonn": "bonn", "sae-lyon": "lyon", "sae-york": "york" },
  pairs: [
    ["sae-oslo", "sae-riga"],
    ["sae-oslo", "sae-bonn"],
    ["sae-oslo", "sae-lyon"],
    ["sae-oslo", "sae-york"],
    ["sae-riga", "sae-bonn"],
    ["sae-riga", "sae-lyon"],
    ["sae-riga", "sae-york"],
    ["sae-bonn", "sae-lyon"],
    ["sae-bonn", "sae-york"],
    ["sae-lyon", "sae-york"],
  ],
};

export interface NetworkOptions {
  readonly lowKeys?: number;
  readonly highKeys?: number;
  /** Secret key rate of each link, and the length of the blocks in which its modules give it. */
  readonly rateBps?: number;
  readonly blockBytes?: number;
  /** Of each link; without them those of a slow one. */
  readonly limits?: Readonly<Record<string, string>>;
  readonly logLevel?: "debug" | "info";
  /** What one SAE may ask for; without them the usual. */
  readonly perSae?: SaeLimits;
  /** Added to the fields of each daemon's configuration. */
  readonly fields?: Readonly<Record<string, unknown>>;
  /** Names of files in each daemon's folder that are there, empty, before it starts. */
  readonly makeFiles?: readonly string[];
  /** Options of Node.js, for each daemon. */
  readonly nodeJsOptions?: (node: string) => readonly string[];
}

export interface NodePlan {
  readonly id: string;
  readonly folder: string;
  readonly configFile: string;
  readonly ports: { readonly kx: number; readonly etsi014: number; readonly operator: number };
}

export const linePath = (folder: string, at: string, towards: string): string =>
  join(folder, `line-${at}-to-${towards}`);

/** The fields of a node's configuration file. */
export function configOf(
  { id, ports }: NodePlan,
  network: {
    shape: NetworkShape;
    plans: readonly NodePlan[];
    folder: string;
    certificates: DemoCertificates;
    options: NetworkOptions;
  },
): object {
  const { shape, folder, certificates, plans, options } = network;
  const { limits = { segmentBytes: "8KiB", segmentAgeMax: "2s" } } = options;
  const { peer, saeFacing } = certificates.nodes.get(parseNodeId(id))!;
  const neighbours = shape.links.filter((link) => link.includes(id)).map(([a, b]) => (a === id ? b : a));
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
    etsi014: {
      listen: at(ports.etsi014),
      tls: { ca: certificates.saesCa, ...saeFacing },
      ...(options.perSae === undefined ? {} : { perSae: options.perSae }),
    },
    operator: { listen: at(ports.operator) },
    links: neighbours.map((neighbour) => ({
      neighbour,
      driver: "serial-frame",
      module: { path: linePath(folder, id, neighbour) },
      limits,
    })),
    saes: Object.entries(shape.saes).map(([sae, node]) => ({ id: sae, node })),
    pairs: shape.pairs.map((between) => ({ between })),
    // tests count on a stock that does not follow demand
    preEstablishment: {
      strategy: "static-watermark",
      lowKeys: options.lowKeys ?? 64,
      highKeys: options.highKeys ?? 128,
    },
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
