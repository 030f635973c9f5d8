/**
 * A network of real processes: daemons in a chain, and one emulator that plays the modules of its links.
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
import { writeDemoCertificates, type DemoCertificates } from "../../src/daemon/demo-certificates.ts";
import { askControl } from "../../src/emulator/control.ts";
import type { EmulatedLinkState, FaultName } from "../../src/emulator/emulator.ts";
import { parseNodeId, parseSaeId } from "../../src/model/ids.ts";
import { DaemonProcess, until } from "./daemon-process.ts";
import {
  CHAIN,
  configOf,
  freePorts,
  linePath,
  LINKS,
  SAES,
  type NetworkOptions,
  type NodeName,
  type NodePlan,
  type SaeName,
} from "./network-plan.ts";
import { NetworkNode } from "./network-node.ts";
import { SaeClient, type TlsClientFiles } from "./sae-client.ts";

const programPath = (path: string): string => fileURLToPath(new URL(`../../src/${path}`, import.meta.url));
export const DAEMON = programPath("daemon/main.ts");
const EMULATOR = programPath("emulator/main.ts");

export interface Network {
  readonly folder: string;
  readonly certificates: DemoCertificates;
  readonly nodes: Readonly<Record<NodeName, NetworkNode>>;
  readonly emulator: DaemonProcess;
  node(id: NodeName): NetworkNode;
  /** A new client of an SAE, with a connection of its own. */
  sae(id: SaeName): SaeClient;
  /** A client with whatever certificate. */
  client(node: NodeName, tls: TlsClientFiles): SaeClient;
  /** What the emulator is to do to a link, or to the module at one node of it. */
  cause(name: FaultName, link: "hub--north" | "hub--south", at?: NodeName): Promise<EmulatedLinkState>;
  emulated(): Promise<readonly EmulatedLinkState[]>;
  /** Until every pool of those nodes holds what is wanted of it. */
  filled(nodes?: readonly NodeName[], seconds?: number): Promise<void>;
  close(): Promise<void>;
}

export async function openNetwork(options: NetworkOptions = {}): Promise<Network> {
  const folder = mkdtempSync(join(tmpdir(), "qkdnd-e2e-"));
  const remove = (): void => rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  process.on("exit", remove);
  const certificates = await writeDemoCertificates(join(folder, "certificates"), {
    nodes: CHAIN.map(parseNodeId),
    saes: Object.keys(SAES).map(parseSaeId),
  });
  const ports = await freePorts(3 * CHAIN.length);
  const plans = CHAIN.map((id, i): NodePlan => {
    const own = join(folder, id);
    const [kx, etsi014, operator] = ports.slice(3 * i, 3 * i + 3) as [number, number, number];
    return { id, folder: own, configFile: join(own, "qkdnd.yaml"), ports: { kx, etsi014, operator } };
  });
  for (const plan of plans) {
    mkdirSync(plan.folder, { mode: 0o700 });
    writeFileSync(join(plan.folder, "root.key"), randomBytes(32), { mode: 0o400 });
    writeFileSync(plan.configFile, stringify(configOf(plan, { plans, folder, certificates, options })));
  }
  const emulator = emulatorIn(folder, options);
  const nodes = Object.fromEntries(plans.map((plan) => [plan.id, new NetworkNode(plan, DAEMON)]));
  const network = new ProcessNetwork({ folder, certificates, plans, emulator, remove }, nodes as Network["nodes"]);
  try {
    emulator.start();
    await until("the emulator is ready", () => emulator.log.includes('"ready":true'), { explain: () => emulator.log });
    for (const node of Object.values(network.nodes)) node.process.start();
    for (const node of Object.values(network.nodes)) await node.ready();
    return network;
  } catch (failure) {
    await network.close();
    throw failure;
  }
}

class ProcessNetwork implements Network {
  readonly folder: string;
  readonly certificates: DemoCertificates;
  readonly nodes: Network["nodes"];
  readonly emulator: DaemonProcess;
  readonly #plans: readonly NodePlan[];
  readonly #remove: () => void;
  readonly #clients = new Set<SaeClient>();

  constructor(
    parts: {
      folder: string;
      certificates: DemoCertificates;
      plans: readonly NodePlan[];
      emulator: DaemonProcess;
      remove: () => void;
    },
    nodes: Network["nodes"],
  ) {
    this.folder = parts.folder;
    this.certificates = parts.certificates;
    this.emulator = parts.emulator;
    this.nodes = nodes;
    this.#plans = parts.plans;
    this.#remove = parts.remove;
  }

  node(id: NodeName): NetworkNode {
    return this.nodes[id];
  }

  sae(id: SaeName): SaeClient {
    const files = this.certificates.saes.get(parseSaeId(id))!;
    const tls = {
      ca: readFileSync(this.certificates.saesCa),
      cert: readFileSync(files.cert),
      key: readFileSync(files.key),
    };
    return this.#opened(new SaeClient(id, this.nodes[SAES[id]].etsi014Url, tls));
  }

  client(node: NodeName, tls: TlsClientFiles): SaeClient {
    return this.#opened(new SaeClient("?", this.nodes[node].etsi014Url, tls));
  }

  async cause(name: FaultName, link: string, at?: NodeName): Promise<EmulatedLinkState> {
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

  async filled(nodes: readonly NodeName[] = CHAIN, seconds = 40): Promise<void> {
    for (const id of nodes) await this.nodes[id].filled(seconds);
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.close();
    // Killed, not asked: some stand still, and what an orderly end does is looked at where it is tested.
    for (const { id } of this.#plans) await this.nodes[id].process.end("SIGKILL");
    await this.emulator.end("SIGKILL");
    process.off("exit", this.#remove);
    this.#remove();
  }

  #opened(client: SaeClient): SaeClient {
    this.#clients.add(client);
    return client;
  }
}

function emulatorIn(folder: string, { rateBps = 1_000_000 }: NetworkOptions): DaemonProcess {
  const configFile = join(folder, "emulator.yaml");
  const links = LINKS.map(([a, b]) => ({
    id: `${a}--${b}`,
    a: linePath(folder, a, b),
    b: linePath(folder, b, a),
    rateBps,
    blockBytes: 8192,
  }));
  writeFileSync(configFile, stringify({ links, control: join(folder, "control") }));
  return new DaemonProcess({
    name: "emulator",
    words: [EMULATOR, "run", "--config", configFile],
    logFile: join(folder, "emulator.log"),
  });
}
