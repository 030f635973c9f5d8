/**
 * A network of real processes: daemons in a chain (or another shape), and one emulator that plays the modules of its links.
 *
 *   sae-north       sae-hub       sae-south, sae-other, sae-lonely
 *       |              |              |
 *     north ========= hub ========= south        ("=": a QKD link; its end "a" is at the smaller name)
 *
 * Everything lives in a folder of its own under the system's temporary one; `close` ends the processes and removes it.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { writeDemoCertificates, type DemoCertificates } from "../../src/demo/demo-certificates.ts";
import { askControl } from "../../src/emulator/control.ts";
import type { EmulatedLinkState, FaultName } from "../../src/emulator/emulator.ts";
import { parseNodeId, parseSaeId } from "../../src/model/ids.ts";
import { DaemonProcess, until } from "./daemon-process.ts";
import {
  CHAIN,
  configOf,
  freePorts,
  linePath,
  type NetworkOptions,
  type NetworkShape,
  type NodePlan,
} from "./network-plan.ts";
import { NetworkNode } from "./network-node.ts";
import { SaeClient, type TlsClientFiles } from "./sae-client.ts";

const programPath = (path: string): string => fileURLToPath(new URL(`../../src/${path}`, import.meta.url));
export const DAEMON = programPath("daemon/main.ts");
const EMULATOR = programPath("emulator/main.ts");

type NodesOf<Shape extends NetworkShape> = Shape["nodes"][number];
type SaesOf<Shape extends NetworkShape> = keyof Shape["saes"] & string;

export interface Network<Shape extends NetworkShape = typeof CHAIN> {
  readonly folder: string;
  readonly shape: Shape;
  readonly certificates: DemoCertificates;
  readonly nodes: Readonly<Record<NodesOf<Shape>, NetworkNode>>;
  readonly emulator: DaemonProcess;
  node(id: NodesOf<Shape>): NetworkNode;
  /** A new client of an SAE, with a connection of its own. */
  sae(id: SaesOf<Shape>): SaeClient;
  /** A client with whatever certificate. */
  client(node: NodesOf<Shape>, tls: TlsClientFiles): SaeClient;
  /** What the emulator is to do to a link, or to the module at one node of it. */
  cause(name: FaultName, link: `${NodesOf<Shape>}--${NodesOf<Shape>}`, at?: NodesOf<Shape>): Promise<EmulatedLinkState>;
  emulated(): Promise<readonly EmulatedLinkState[]>;
  /** Until every pool of those nodes holds what is wanted of it. */
  filled(nodes?: readonly NodesOf<Shape>[], seconds?: number): Promise<void>;
  close(): Promise<void>;
}

export const openNetwork = (options: NetworkOptions = {}): Promise<Network> => openNetworkOf(CHAIN, options);

export async function openNetworkOf<Shape extends NetworkShape>(
  shape: Shape,
  options: NetworkOptions = {},
): Promise<Network<Shape>> {
  const folder = mkdtempSync(join(tmpdir(), "qkdnd-e2e-"));
  const remove = (): void => rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  process.on("exit", remove);
  const certificates = await writeDemoCertificates(join(folder, "certificates"), {
    nodes: shape.nodes.map(parseNodeId),
    saes: Object.keys(shape.saes).map(parseSaeId),
  });
  const ports = await freePorts(3 * shape.nodes.length);
  const plans = shape.nodes.map((id, i): NodePlan => {
    const own = join(folder, id);
    const [kx, etsi014, operator] = ports.slice(3 * i, 3 * i + 3) as [number, number, number];
    return { id, folder: own, configFile: join(own, "qkdnd.yaml"), ports: { kx, etsi014, operator } };
  });
  for (const plan of plans) {
    mkdirSync(plan.folder, { mode: 0o700 });
    writeFileSync(join(plan.folder, "root.key"), randomBytes(32), { mode: 0o400 });
    for (const name of options.makeFiles ?? []) writeFileSync(join(plan.folder, name), "");
    writeFileSync(plan.configFile, stringify(configOf(plan, { shape, plans, folder, certificates, options })));
  }
  const emulator = emulatorIn(folder, shape, options);
  const program = (id: string): readonly string[] => [...(options.nodeJsOptions?.(id) ?? []), DAEMON];
  const nodes = Object.fromEntries(plans.map((plan) => [plan.id, new NetworkNode(plan, program(plan.id))]));
  const network = new ProcessNetwork<Shape>(
    { shape, folder, certificates, emulator, remove },
    nodes as Network<Shape>["nodes"],
  );
  try {
    emulator.start();
    await until("the emulator is ready", () => emulator.log.includes('"ready":true'), { explain: () => emulator.log });
    for (const id of shape.nodes) nodes[id]!.process.start();
    for (const id of shape.nodes) await nodes[id]!.ready();
    return network;
  } catch (failure) {
    await network.close();
    throw failure;
  }
}

class ProcessNetwork<Shape extends NetworkShape> implements Network<Shape> {
  readonly folder: string;
  readonly shape: Shape;
  readonly certificates: DemoCertificates;
  readonly nodes: Network<Shape>["nodes"];
  readonly emulator: DaemonProcess;
  readonly #remove: () => void;
  readonly #clients = new Set<SaeClient>();

  constructor(
    parts: {
      shape: Shape;
      folder: string;
      certificates: DemoCertificates;
      emulator: DaemonProcess;
      remove: () => void;
    },
    nodes: Network<Shape>["nodes"],
  ) {
    this.folder = parts.folder;
    this.shape = parts.shape;
    this.certificates = parts.certificates;
    this.emulator = parts.emulator;
    this.nodes = nodes;
    this.#remove = parts.remove;
  }

  node(id: NodesOf<Shape>): NetworkNode {
    return this.nodes[id];
  }

  sae(id: SaesOf<Shape>): SaeClient {
    const files = this.certificates.saes.get(parseSaeId(id))!;
    const tls = {
      ca: readFileSync(this.certificates.saesCa),
      cert: readFileSync(files.cert),
      key: readFileSync(files.key),
    };
    return this.#opened(new SaeClient(id, this.node(this.shape.saes[id]!).etsi014Url, tls));
  }

  client(node: NodesOf<Shape>, tls: TlsClientFiles): SaeClient {
    return this.#opened(new SaeClient("?", this.node(node).etsi014Url, tls));
  }

  async cause(name: FaultName, link: string, at?: string): Promise<EmulatedLinkState> {
    const end = at === undefined ? undefined : at === link.split("--")[0] ? "a" : "b";
    const reply = await askControl(join(this.folder, "control"), { do: name, link, end });
    if (!reply.ok) throw new Error(reply.error);
    return reply.links[0]!;
  }

  async emulated(): Promise<readonly EmulatedLinkState[]> {
    const reply = await askControl(join(this.folder, "control"), { do: "status" });
    if (!reply.ok) throw new Error(reply.error);
    return reply.links;
  }

  async filled(nodes: readonly NodesOf<Shape>[] = this.shape.nodes, seconds = 40): Promise<void> {
    for (const id of nodes) await this.node(id).filled(seconds);
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.close();
    // Killed, not asked: some stand still, and what an orderly end does is looked at where it is tested.
    for (const id of this.shape.nodes) await this.node(id).process.end("SIGKILL");
    await this.emulator.end("SIGKILL");
    process.off("exit", this.#remove);
    this.#remove();
  }

  #opened(client: SaeClient): SaeClient {
    this.#clients.add(client);
    return client;
  }
}

function emulatorIn(
  folder: string,
  shape: NetworkShape,
  { rateBps = 1_000_000, blockBytes = 8192 }: NetworkOptions,
): DaemonProcess {
  const configFile = join(folder, "emulator.yaml");
  const links = shape.links.map(([a, b]) => ({
    id: `${a}--${b}`,
    a: linePath(folder, a, b),
    b: linePath(folder, b, a),
    rateBps,
    blockBytes,
  }));
  writeFileSync(configFile, stringify({ links, control: join(folder, "control") }));
  return new DaemonProcess({
    name: "emulator",
    words: [EMULATOR, "run", "--config", configFile],
    logFile: join(folder, "emulator.log"),
  });
}
