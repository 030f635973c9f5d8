/** Who takes part in the demo network, and where everything of it lies. */
import { join } from "node:path";

import { type NodeId, type SaeId, parseNodeId, parseSaeId } from "../model/ids.ts";

export const DEMO_HOST = "127.0.0.1";
export const DEMO_DEFAULTS = { data: "demo-data", basePort: 9611, lengthKm: 25 } as const;

/** A chain: each node has a link to the next. */
const CHAIN = ["north", "hub", "south"] as const;
/** For each node: towards other nodes, towards its operator, towards SAEs. */
const PORTS_PER_NODE = 3;
export const DEMO_PORTS = CHAIN.length * PORTS_PER_NODE;

export interface DemoNode {
  readonly id: NodeId;
  readonly sae: SaeId;
  readonly kxPort: number;
  readonly operatorUrl: string;
  readonly operatorPort: number;
  readonly etsi014Url: string;
  readonly etsi014Port: number;
  readonly folder: string;
  readonly dataDir: string;
  readonly configFile: string;
  readonly logFile: string;
  readonly rootFile: string;
}

export interface DemoLink {
  readonly ends: readonly [NodeId, NodeId];
  /** The terminals of its two modules, in the order of `ends`. */
  readonly lines: readonly [string, string];
}

export interface DemoPlan {
  readonly folder: string;
  readonly nodes: readonly DemoNode[];
  readonly links: readonly DemoLink[];
  readonly certificates: string;
  readonly demoFile: string;
  readonly emulator: { readonly configFile: string; readonly logFile: string; readonly control: string | undefined };
}

/** A unix socket's path may have so many bytes. */
const SOCKET_PATH_BYTES_MAX = 100;

/** @param ports  `DEMO_PORTS` of them: first all of Kx, then all operators', then all for SAEs */
export function planDemo(folder: string, ports: readonly number[]): DemoPlan {
  const nodes = CHAIN.map((name, at): DemoNode => {
    const own = join(folder, "nodes", name);
    const [kxPort, operatorPort, etsi014Port] = [0, 1, 2].map((kind) => ports[kind * CHAIN.length + at]!) as [
      number,
      number,
      number,
    ];
    return {
      id: parseNodeId(name),
      sae: parseSaeId(`sae-${name}`),
      kxPort,
      operatorPort,
      operatorUrl: `http://${DEMO_HOST}:${operatorPort}`,
      etsi014Port,
      etsi014Url: `https://${DEMO_HOST}:${etsi014Port}`,
      folder: own,
      dataDir: join(own, "data"),
      configFile: join(own, "qkdnd.yaml"),
      logFile: join(own, "qkdnd.log"),
      rootFile: join(own, "root.key"),
    };
  });
  const links = nodes.slice(1).map((node, at): DemoLink => {
    const ends = [nodes[at]!.id, node.id] as const;
    const line = (from: NodeId, to: NodeId): string => join(folder, "lines", `${from}-to-${to}`);
    return { ends, lines: [line(ends[0], ends[1]), line(ends[1], ends[0])] };
  });
  const control = join(folder, "emulator.socket");
  return {
    folder,
    nodes,
    links,
    certificates: join(folder, "certificates"),
    demoFile: join(folder, "demo.json"),
    emulator: {
      configFile: join(folder, "emulator.yaml"),
      logFile: join(folder, "emulator.log"),
      control: Buffer.byteLength(control) <= SOCKET_PATH_BYTES_MAX ? control : undefined,
    },
  };
}
