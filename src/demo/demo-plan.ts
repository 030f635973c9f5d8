/** Who takes part in the demo network, and where everything of it lies. */
import { join } from "node:path";

import { type LinkId, type NodeId, type SaeId, linkIdBetween, parseNodeId, parseSaeId } from "../model/ids.ts";
import { type ShapeName, type Span, spansOf, twoHopsApart } from "./demo-shape.ts";

export const DEMO_HOST = "127.0.0.1";
export const DEMO_DEFAULTS = { data: "demo-data", firstPort: 9611, nodes: 5, shape: "ring", profile: "metro" } as const;

/** In the order of the alphabet, which is also the order around the ring. */
const NAMES = "aachen bonn celle duren essen fulda gera halle idar jena kiel lahr mainz neuss olpe pirna".split(" ");

/** The ports of one node. */
export interface DemoPorts {
  /** Towards other nodes. */
  readonly kx: number;
  /** Towards SAEs. */
  readonly etsi014: number;
  /** Towards its operator. */
  readonly operator: number;
}

/** Each node has a block of ports, whatever the shape: with 9611, the operator of the first asks 9614, qkdctl's default. */
export const PORTS_BETWEEN_NODES = 10;
export const PORT_OFFSETS: DemoPorts = { kx: 0, etsi014: 2, operator: 3 };

export interface DemoNode {
  readonly id: NodeId;
  readonly sae: SaeId;
  readonly ports: DemoPorts;
  readonly operatorUrl: string;
  readonly etsi014Url: string;
  readonly folder: string;
  readonly dataDir: string;
  readonly configFile: string;
  readonly logFile: string;
  readonly rootFile: string;
  /** The SAE's certificate and key, as options of curl. */
  readonly curlFile: string;
}

export interface DemoLink {
  readonly id: LinkId;
  /** The smaller node id first: the emulator's ends "a" and "b". */
  readonly ends: readonly [NodeId, NodeId];
  /** The terminals of its two modules, in the order of `ends`. */
  readonly lines: readonly [string, string];
}

export interface DemoPlan {
  readonly folder: string;
  readonly shape: ShapeName;
  readonly nodes: readonly DemoNode[];
  readonly links: readonly DemoLink[];
  /** Two nodes with another one between them, where the shape has such. */
  readonly apart: readonly [DemoNode, DemoNode];
  readonly certificates: string;
  readonly demoFile: string;
  readonly prometheusFile: string;
  /** Where the demo takes what somebody wants of a node; undefined in a folder whose path is too long for a socket. */
  readonly control: string | undefined;
  readonly emulator: { readonly configFile: string; readonly logFile: string; readonly control: string | undefined };
}

/** A unix socket's path may have so many bytes. */
const SOCKET_PATH_BYTES_MAX = 100;

/**
 * @param ports  of each node; as many nodes as these are taken
 * @throws QkdError CONFIG_INVALID  for too many links
 */
export function planDemo(folder: string, shape: ShapeName, ports: readonly DemoPorts[]): DemoPlan {
  const spans = spansOf(shape, ports.length);
  const nodes = ports.map((own, at) => planNode(folder, NAMES[at]!, own));
  const [from, to] = twoHopsApart(spans, nodes.length);
  return {
    folder,
    shape,
    nodes,
    links: spans.map((span) => planLink(folder, nodes, span)),
    apart: [nodes[from]!, nodes[to]!],
    certificates: join(folder, "certificates"),
    demoFile: join(folder, "demo.json"),
    prometheusFile: join(folder, "prometheus.yml"),
    control: socketPath(demoControlPath(folder)),
    emulator: {
      configFile: join(folder, "emulator.yaml"),
      logFile: join(folder, "emulator.log"),
      control: socketPath(join(folder, "emulator.socket")),
    },
  };
}

export const demoControlPath = (folder: string): string => join(folder, "demo.socket");

const socketPath = (path: string): string | undefined =>
  Buffer.byteLength(path) <= SOCKET_PATH_BYTES_MAX ? path : undefined;

function planNode(folder: string, name: string, ports: DemoPorts): DemoNode {
  const own = join(folder, "nodes", name);
  return {
    id: parseNodeId(name),
    sae: parseSaeId(`sae-${name}`),
    ports,
    operatorUrl: `http://${DEMO_HOST}:${ports.operator}`,
    etsi014Url: `https://${DEMO_HOST}:${ports.etsi014}`,
    folder: own,
    dataDir: join(own, "data"),
    configFile: join(own, "qkdnd.yaml"),
    logFile: join(own, "qkdnd.log"),
    rootFile: join(own, "root.key"),
    curlFile: join(folder, `sae-${name}.curl`),
  };
}

function planLink(folder: string, nodes: readonly DemoNode[], [from, to]: Span): DemoLink {
  const ends = [nodes[from]!.id, nodes[to]!.id] as const;
  const line = (at: NodeId, towards: NodeId): string => join(folder, "lines", `${at}-to-${towards}`);
  return { id: linkIdBetween(...ends), ends, lines: [line(ends[0], ends[1]), line(ends[1], ends[0])] };
}
