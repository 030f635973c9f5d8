/** The ring of five as real processes, under one strategy: daemons, an emulator of their modules, and SAEs over HTTPS. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { NodeStatus } from "../../src/api/operator/node-status.ts";
import { parseSaeId } from "../../src/model/ids.ts";
import { openNetworkOf, type Network } from "../e2e/network.ts";
import { RING } from "../e2e/network-plan.ts";
import { createSeededRandom } from "../fakes/seeded-random.ts";
import { BURSTS, drawDemand } from "./demand.ts";
import { percentile, type RunFigures } from "./figures.ts";
import type { LiveAnswer, LiveOrder } from "./live-load.ts";
import type { Contestant } from "./strategies.ts";

const PER_SECOND = 25;
const RATE_BPS = 400_000;
const WARM_MS = 15_000;
const SAMPLE_MS = 500;
const KEY_BYTES = 32;
const SEED = 1;
const LOAD = fileURLToPath(new URL("live-load.ts", import.meta.url));

export const LIVE_ABOUT = `${BURSTS.about}; ${PER_SECOND} requests a second in all; links of ${RATE_BPS / 1000} kb/s`;

type Ring = Network<typeof RING>;

export async function runLiveRing({
  contestant,
  seconds,
  say,
}: {
  readonly contestant: Contestant;
  readonly seconds: number;
  readonly say: (line: string) => void;
}): Promise<RunFigures> {
  const fields = { preEstablishment: contestant.policy };
  const network = await openNetworkOf(RING, { rateBps: RATE_BPS, fields });
  try {
    say(`live, ${contestant.name}: the ring is up, its pools fill`);
    await network.filled(undefined, 120);
    const load = playLoad(network, seconds);
    await sleep(WARM_MS);
    const before = await countsOf(network);
    const stockKeys: number[] = [];
    for (const end = performance.now() + seconds * 1_000; performance.now() < end; await sleep(SAMPLE_MS)) {
      stockKeys.push(await heldKeys(network));
    }
    const after = await countsOf(network);
    return figuresOf(before, after, stockKeys, await load);
  } finally {
    await network.close();
  }
}

/** In a process of its own, from now on. */
function playLoad(network: Ring, seconds: number): Promise<LiveAnswer> {
  const durationMs = WARM_MS + seconds * 1_000;
  const arrivals = drawDemand(
    BURSTS,
    { nodes: RING.nodes.length, perSecond: PER_SECOND, durationMs },
    createSeededRandom(`demand ${SEED}`),
  );
  const { certificates } = network;
  const order: LiveOrder = {
    ca: readFileSync(certificates.saesCa, "utf8"),
    saes: RING.nodes.map((node) => {
      const id = parseSaeId(`sae-${node}`);
      const files = certificates.saes.get(id)!;
      const [cert, key] = [readFileSync(files.cert, "utf8"), readFileSync(files.key, "utf8")];
      return { id, url: network.node(node).etsi014Url, cert, key };
    }),
    arrivals,
    countFromMs: WARM_MS,
  };
  const child = spawn(process.execPath, [LOAD], { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end(JSON.stringify(order));
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (piece: string) => (text += piece));
  const { promise, resolve, reject } = Promise.withResolvers<LiveAnswer>();
  child.on("error", reject);
  child.on("close", (code) => {
    if (code === 0) resolve(JSON.parse(text) as LiveAnswer);
    else reject(new Error(`the load ended with code ${code}`));
  });
  return promise;
}

type Counts = Readonly<Record<"hits" | "latency" | "supply" | "supplied" | "wasted" | "padBytes", number>>;

function figuresOf(before: Counts, after: Counts, stockKeys: readonly number[], answer: LiveAnswer): RunFigures {
  const between = (what: keyof Counts): number => after[what] - before[what];
  const requests = between("hits") + between("latency") + between("supply");
  return {
    requests,
    hitRatio: between("hits") / requests,
    latencyMisses: between("latency") / requests,
    supplyMisses: between("supply") / requests,
    refused: answer.refused / answer.waitsMs.length,
    stockKeys: stockKeys.reduce((sum, keys) => sum + keys, 0) / stockKeys.length,
    waitMs: { p50: percentile(answer.waitsMs, 0.5), p99: percentile(answer.waitsMs, 0.99) },
    wasted: between("wasted") / (between("supplied") + between("wasted")),
    padBytesPerKeyByte: between("padBytes") / between("supplied"),
  };
}

const statuses = (network: Ring): Promise<NodeStatus[]> =>
  Promise.all(RING.nodes.map((node) => network.node(node).status()));

async function heldKeys(network: Ring): Promise<number> {
  const pools = (await statuses(network)).flatMap(({ pools: all }) => all);
  return pools
    .filter(({ direction }) => direction === "outbound")
    .reduce((sum, { stockBytes, inFlightBytes }) => sum + (stockBytes + inFlightBytes) / KEY_BYTES, 0);
}

async function countsOf(network: Ring): Promise<Counts> {
  const counts = { hits: 0, latency: 0, supply: 0, supplied: 0, wasted: 0, padBytes: 0 };
  for (const node of RING.nodes) {
    const metrics = await network.node(node).text("/metrics");
    counts.hits += sumOf(metrics, "qkdn_pool_hit_total{");
    counts.latency += sumOf(metrics, "qkdn_pool_miss_total{", 'cause="latency"');
    counts.supply += sumOf(metrics, "qkdn_pool_miss_total{", 'cause="supply"');
  }
  for (const { ledger } of await statuses(network)) {
    for (const { owner, balances } of ledger) {
      if (owner.startsWith("outbound/")) {
        counts.supplied += balances.supplied;
        counts.wasted += balances.tails + balances.burned + balances.burnedOpen + balances.expired;
      } else if (owner.startsWith("link/")) counts.padBytes += (balances.pads + balances.tags) / 2;
    }
  }
  return counts;
}

function sumOf(metrics: string, begin: string, label = ""): number {
  const lines = metrics.split("\n").filter((line) => line.startsWith(begin) && line.includes(label));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
}
