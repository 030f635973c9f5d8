/** The network that a scenario measures: real daemons, an emulator for their modules, loads; and what the daemons cost. */
import { setTimeout as sleep } from "node:timers/promises";
import type { NodeStatus } from "../src/api/operator/node-status.ts";
import { parseSaeId } from "../src/model/ids.ts";
import type { Balances } from "../src/store/ledger.ts";
import { until } from "../test/e2e/daemon-process.ts";
import { openNetworkOf, type Network } from "../test/e2e/network.ts";
import type { NetworkOptions, NetworkShape } from "../test/e2e/network-plan.ts";
import type { LoadSae, LoadSetup } from "./load/load-protocol.ts";
import { LoadProcess } from "./load/load-process.ts";
import { MemoryWatch } from "./memory-watch.ts";
import { processorSeconds } from "./process-cost.ts";
import type { BenchOptions, FigureBook } from "./scenario.ts";

const MB = 1e6;
const MEMORY_MB_MAX = 150;
const REST_SECONDS_MAX = 120;
const LOOK_MS = 500;
/** Of one core, all daemons together. */
const IDLE_SHARE = 0.15;

/** Links and pools that no window of a bench empties or fills: what stops first is the daemon. */
export const AMPLE = {
  limits: { segmentBytes: "64KiB", stockMax: "16GiB" },
  inboundPoolMax: "16GiB",
  blockBytes: 32_768,
} as const;

/** The file has its own words for it: no pool is refilled. */
export const NO_REFILL = { strategy: "on-demand" } as const;

/** Two nodes and their link. */
export const NEIGHBOURS: NetworkShape = {
  nodes: ["hub", "north"],
  links: [["hub", "north"]],
  saes: { "sae-hub": "hub", "sae-north": "north" },
  pairs: [["sae-hub", "sae-north"]],
};

/** Two nodes that share keys and no link, and one between them. */
export const TWO_HOPS: NetworkShape = {
  nodes: ["north", "hub", "south"],
  links: [
    ["hub", "north"],
    ["hub", "south"],
  ],
  saes: { "sae-north": "north", "sae-south": "south" },
  pairs: [["sae-north", "sae-south"]],
};

export interface BenchNetwork {
  readonly network: Network<NetworkShape>;
  /** SAEs in a process of their own, which ends with the network. */
  load(work: LoadSetup["work"], between: readonly [initiator: string, target: string], lanes: number): LoadProcess;
  /** Of all daemons, since they started. */
  processorSeconds(): number;
  /** Until the daemons have little to do: what was ordered before is done. */
  atRest(): Promise<void>;
  /** Notes the most memory that any of the daemons has had. */
  noteMemory(book: FigureBook): void;
  /** The same, under a load that no target asks for. */
  noteMemoryBeyond(book: FigureBook, load: string): void;
}

/** Runs `measure` in a new network, and ends every process of it, however that ended. */
export async function inNetwork(
  shape: NetworkShape,
  networkOptions: NetworkOptions,
  { profileFolder }: BenchOptions,
  measure: (bench: BenchNetwork) => Promise<void>,
): Promise<void> {
  const nodeJsOptions = (node: string): readonly string[] =>
    profileFolder === undefined
      ? []
      : ["--cpu-prof", `--cpu-prof-dir=${profileFolder}`, `--cpu-prof-name=${node}-${Date.now()}.cpuprofile`];
  const network = await openNetworkOf(shape, { ...networkOptions, nodeJsOptions });
  const loads: LoadProcess[] = [];
  const pids = (): number[] =>
    shape.nodes.flatMap((node) => (network.node(node).process.running ? [network.node(node).process.pid] : []));
  const memory = new MemoryWatch(pids);
  const spent = (): number => pids().reduce((sum, pid) => sum + processorSeconds(pid), 0);
  try {
    await measure({
      network,
      load(work, [initiator, target], lanes) {
        const saes = { initiator: saeIn(network, initiator), target: saeIn(network, target) };
        const load = new LoadProcess({ work, lanes, ...saes });
        loads.push(load);
        return load;
      },
      processorSeconds: spent,
      async atRest() {
        await until("the daemons are at rest", () => isIdle(spent), { seconds: REST_SECONDS_MAX });
      },
      noteMemory(book) {
        book.note("memory of a daemon, at most", "MB", memory.ownBytes / MB, { atMost: MEMORY_MB_MAX });
        book.note("and with pages of LevelDB's files", "MB", memory.residentBytes / MB);
      },
      noteMemoryBeyond(book, load) {
        book.note(`${load}: memory of a daemon, at most`, "MB", memory.ownBytes / MB);
      },
    });
  } finally {
    memory.end();
    for (const load of loads) await load.end();
    // A profile is written at an orderly end.
    if (profileFolder !== undefined) for (const node of shape.nodes) await network.node(node).process.end("SIGTERM");
    await network.close();
  }
}

async function isIdle(spent: () => number): Promise<boolean> {
  const before = spent();
  await sleep(LOOK_MS);
  return spent() - before <= (IDLE_SHARE * LOOK_MS) / 1000;
}

export function balancesOf({ ledger }: NodeStatus, owner: string): Balances {
  const line = ledger.find((other) => other.owner === owner);
  if (line === undefined) throw new Error(`the ledger has no ${owner}`);
  return line.balances;
}

function saeIn(network: Network<NetworkShape>, id: string): LoadSae {
  const { cert, key } = network.certificates.saes.get(parseSaeId(id))!;
  const url = network.node(network.shape.saes[id]!).etsi014Url;
  return { id, url, tls: { ca: network.certificates.saesCa, cert, key } };
}
