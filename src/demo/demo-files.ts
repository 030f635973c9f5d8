/** Writes what the processes of a demo read: certificates, root keys, configuration. */
import { randomBytes } from "node:crypto";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";

import type { LinkProfileName } from "../emulator/link-profiles.ts";
import { type DemoCertificates, writeDemoCertificates } from "./demo-certificates.ts";
import { curlOptions } from "./demo-curl.ts";
import { DEMO_HOST, type DemoNode, type DemoPlan } from "./demo-plan.ts";

/** What every link of the demo is like. */
export interface DemoFibre {
  readonly profile: LinkProfileName;
  /** Instead of the profile's. */
  readonly lengthKm?: number | undefined;
  readonly rate?: number | undefined;
}

const ALERT_RULES = join(import.meta.dirname, "..", "..", "monitoring", "alerts.yml");
const ROOT_BYTES = 32;
const POLICY = { strategy: "minimal-buffer", minKeys: 64 };
const YAML_OPTIONS = { lineWidth: 0, flowCollectionPadding: true };

/** New certificates and configuration each time; root keys stay, because the stores were sealed under them. */
export async function writeDemoFiles(plan: DemoPlan, fibre: DemoFibre): Promise<DemoCertificates> {
  const { nodes } = plan;
  const certificates = await writeDemoCertificates(plan.certificates, {
    nodes: nodes.map(({ id }) => id),
    saes: nodes.map(({ sae }) => sae),
  });
  for (const node of nodes) {
    await mkdir(node.folder, { recursive: true, mode: 0o700 });
    await writeRootOnce(node.rootFile);
    await writeFile(node.configFile, nodeConfig(plan, node, certificates));
  }
  for (const { sae, curlFile } of nodes) {
    await writeFile(curlFile, curlOptions({ cacert: certificates.saesCa, ...certificates.saes.get(sae)! }));
  }
  await writeFile(plan.prometheusFile, prometheusConfig(plan));
  await writeFile(plan.emulator.configFile, emulatorConfig(plan, fibre));
  return certificates;
}

async function writeRootOnce(path: string): Promise<void> {
  const root = randomBytes(ROOT_BYTES);
  try {
    await writeFile(path, root, { mode: 0o400, flag: "wx" });
  } catch (failure) {
    if ((failure as NodeJS.ErrnoException).code !== "EEXIST") throw failure;
  } finally {
    root.fill(0);
  }
}

function nodeConfig(plan: DemoPlan, node: DemoNode, certificates: DemoCertificates): string {
  const { peer, saeFacing } = certificates.nodes.get(node.id)!;
  const links = plan.links.flatMap(({ ends, lines }) => {
    const at = ends.indexOf(node.id);
    return at < 0 ? [] : [{ neighbour: ends[1 - at]!, line: lines[at]! }];
  });
  const kxPort = new Map(plan.nodes.map(({ id, ports }) => [id, ports.kx]));
  const config = {
    node: node.id,
    dataDir: node.dataDir,
    store: { root: { file: node.rootFile } },
    kx: {
      listen: `${DEMO_HOST}:${node.ports.kx}`,
      tls: { ca: certificates.peersCa, ...peer },
      peers: Object.fromEntries(links.map(({ neighbour }) => [neighbour, `${DEMO_HOST}:${kxPort.get(neighbour)!}`])),
    },
    etsi014: { listen: `${DEMO_HOST}:${node.ports.etsi014}`, tls: { ca: certificates.saesCa, ...saeFacing } },
    operator: { listen: `${DEMO_HOST}:${node.ports.operator}` },
    links: links.map(({ neighbour, line }) => ({
      neighbour,
      driver: "serial-frame",
      module: { path: line },
      limits: { segmentAgeMax: "5s" },
    })),
    saes: plan.nodes.map(({ id, sae }) => ({ id: sae, node: id })),
    pairs: pairsOf(plan.nodes.map(({ sae }) => sae)).map((between) => ({ between })),
    preEstablishment: POLICY,
    log: { level: "info" },
  };
  return `# Written by the demo at each start; what is changed here is lost.\n${stringify(config, YAML_OPTIONS)}`;
}

function emulatorConfig({ links, emulator }: DemoPlan, { profile, lengthKm, rate }: DemoFibre): string {
  const config = {
    links: links.map(({ id, lines }) => ({
      id,
      a: lines[0],
      b: lines[1],
      profile,
      ...(lengthKm === undefined ? {} : { lengthKm }),
      ...(rate === undefined ? {} : { rateBps: rate }),
    })),
    ...(emulator.control === undefined ? {} : { control: emulator.control }),
  };
  return `# Written by the demo at each start.\n${stringify(config, YAML_OPTIONS)}`;
}

/** What a Prometheus needs to look at all nodes: `prometheus --config.file=FILE`. */
function prometheusConfig({ nodes }: DemoPlan): string {
  const config = {
    global: { scrape_interval: "5s", evaluation_interval: "5s" },
    rule_files: [ALERT_RULES],
    scrape_configs: [
      {
        job_name: "qkdnd",
        static_configs: nodes.map(({ id, ports }) => ({
          targets: [`${DEMO_HOST}:${ports.operator}`],
          labels: { node: id },
        })),
      },
    ],
  };
  return `# Written by the demo at each start.\n${stringify(config, YAML_OPTIONS)}`;
}

function pairsOf<Item>(items: readonly Item[]): readonly (readonly [Item, Item])[] {
  return items.flatMap((one, at) => items.slice(at + 1).map((other) => [one, other] as const));
}

/** For other programs: what runs where. Replaced as a whole whenever a process was started anew. */
export async function writeDemoJson(
  plan: DemoPlan,
  certificates: DemoCertificates,
  pids: { readonly nodes: readonly (number | undefined)[]; readonly emulator: number | undefined },
): Promise<void> {
  const content = {
    ca: certificates.saesCa,
    nodes: plan.nodes.map((node, at) => ({
      id: node.id,
      etsi014: node.etsi014Url,
      metrics: `${node.operatorUrl}/metrics`,
      operator: node.operatorUrl,
      pid: pids.nodes[at],
      dataDir: node.dataDir,
      config: node.configFile,
      log: node.logFile,
    })),
    saes: plan.nodes.map(({ id, sae, curlFile }) => ({
      id: sae,
      node: id,
      ...certificates.saes.get(sae)!,
      curl: curlFile,
    })),
    links: plan.links.map(({ ends }) => ends),
    shape: plan.shape,
    prometheus: plan.prometheusFile,
    emulator: { pid: pids.emulator, control: plan.emulator.control, log: plan.emulator.logFile },
    demo: { pid: process.pid, control: plan.control },
  };
  const fresh = `${plan.demoFile}.new`;
  await writeFile(fresh, `${JSON.stringify(content, undefined, 2)}\n`);
  await rename(fresh, plan.demoFile);
}
