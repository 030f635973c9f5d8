/** The status of a node with a good link and a bad one. */
import type { HealthReport, NodeStatus } from "../../src/api/operator/node-status.ts";
import type { PlanStatus } from "../../src/api/operator/plan-status.ts";
import type { MapStatus } from "../../src/api/operator/map-status.ts";
import { type LinkId, type NodeId, linkIdBetween, parseKeyClass, parseNodeId } from "../../src/model/ids.ts";
import { HOUR_MS } from "../../src/model/units.ts";
import { ACCOUNTS, type Balances } from "../../src/store/ledger.ts";

const a = parseNodeId("node-a");
const b = parseNodeId("node-b");
const far = parseNodeId("far-node");
const link = (other: NodeId): LinkId => linkIdBetween(a, other);
const ordinary = parseKeyClass("default");

function balances(part: Partial<Balances>): Balances {
  const empty = Object.fromEntries(ACCOUNTS.map((account) => [account, 0])) as unknown as Balances;
  return { ...empty, received: 0, ...part };
}

export const READY: HealthReport = { live: true, ready: true, reasons: [] };

/** A line of three: node-a, node-b, far-node. */
function wellMap(): MapStatus {
  const up = { state: "up", padBytesPerSecond: 775 } as const;
  return {
    nodes: [
      { node: far, ageMs: 2_300 },
      { node: a, ageMs: 0 },
      { node: b, ageMs: 1_100 },
    ],
    links: [
      {
        ends: [far, b],
        state: "up",
        says: [
          { ...up, padBytes: 400_000, ageMs: 2_300 },
          { ...up, padBytes: 500_000, ageMs: 1_100 },
        ],
      },
      {
        ends: [a, b],
        state: "up",
        says: [
          { ...up, padBytes: 663_552, ageMs: 0 },
          { ...up, padBytes: 65_000, ageMs: 1_100 },
        ],
      },
    ],
    routes: [
      { to: far, route: [b, far], alternatives: [[b, far]], disjoint: [[b, far]] },
      { to: b, route: [b], alternatives: [[b]], disjoint: [[b]] },
    ],
  };
}

/** Demand comes and goes, relays go well. */
function wellPlan(): PlanStatus {
  return {
    strategy: "minimal-buffer",
    grade: "gold",
    phase: "hold",
    reason: "1460 of 2000 keys held or under way, for the most that one lead time asked for lately",
    orderBytes: 17_280,
    waits: null,
    relaysUnderWay: 1,
    waitingBytes: 0,
    padBytes: 655_360,
    demand: {
      keysPerSecondFast: 1204.4,
      keysPerSecondSlow: 803,
      dispersion: 4.2,
      largestWindowKeys: 1000,
      longestKeyBits: 4096,
      forecastErrorRatio: 0.214,
    },
    leadTimeMs: { mean: 31.4, bound: 52 },
    autonomySeconds: 1.5,
    requests: { hits: 128_000, latencyMisses: 2, supplyMisses: 0 },
    orders: [
      {
        agoMs: 61_000,
        bytes: 8192,
        reason: "1744 of 2000 keys held or under way, for the most that one lead time asked for lately",
        result: { outcome: "established", durationMs: 31.4 },
      },
      { agoMs: 12, bytes: 8192, reason: "1460 of 2000 keys held or under way, for demand at its rate", result: null },
    ],
  };
}

/** No pad, and a request that waits for it. */
function badPlan(): PlanStatus {
  return {
    ...wellPlan(),
    reason:
      "499 of 2000 keys held or under way, for demand at its rate; links lacked pad for a request: the target stays",
    orderBytes: 48_032,
    waits: "waits for pad towards the first hop",
    relaysUnderWay: 0,
    waitingBytes: 32,
    padBytes: 0,
    leadTimeMs: { mean: null, bound: 210 },
    autonomySeconds: null,
    requests: { hits: 0, latencyMisses: 0, supplyMisses: 3 },
    orders: [
      {
        agoMs: 4_000,
        bytes: 512,
        reason: "499 of 2000 keys held or under way",
        result: { outcome: "no-pad at node-b", durationMs: 9 },
      },
    ],
  };
}

/** Only the neighbour is known, and out of reach. */
function badMap(): MapStatus {
  const down = { state: "down", padBytes: 663_552, padBytesPerSecond: 0, ageMs: 0 } as const;
  return {
    nodes: [{ node: a, ageMs: 0 }, { node: b }],
    links: [{ ends: [a, b], state: "down", says: [down, null] }],
    routes: [{ to: far }, { to: b }],
  };
}

/** All is well. */
export function wellStatus(): NodeStatus {
  return {
    node: a,
    version: "0.1.0",
    uptimeMs: 76 * HOUR_MS,
    health: READY,
    store: { stockBytes: 1_234_567, diskFreeBytes: 5_368_709_120, epoch: 1_790_000_000, troubles: [] },
    links: [
      {
        id: link(b),
        neighbour: b,
        session: "up",
        module: {
          state: "generating",
          vendor: "acme",
          model: "Q7",
          serialNumber: "0042",
          qber: 0.0213,
          secretKeyRateBps: 12_400,
        },
        stockBytes: { quarantine: 1200, outbound: 655_360, inbound: 65_000, open: 8192 },
        stockIsFull: false,
        troubles: [],
      },
    ],
    pools: [
      {
        remote: far,
        direction: "outbound",
        keyClass: ordinary,
        stockBytes: 38_528,
        keys: 1204,
        targetKeys: 2000,
        lowKeys: 500,
        inFlightBytes: 8192,
        plan: wellPlan(),
      },
      { remote: far, direction: "inbound", keyClass: ordinary, stockBytes: 640, keys: 20, inFlightBytes: 0 },
    ],
    map: wellMap(),
    ledger: [
      {
        owner: "link/node-a--node-b",
        balances: balances({
          received: 800_000,
          quarantine: 1200,
          stock: 720_360,
          open: 8192,
          pads: 70_000,
          tags: 248,
        }),
      },
      { owner: "outbound/far-node/default", balances: balances({ received: 42_624, stock: 38_528, supplied: 4096 }) },
    ],
    supply: { requests: 131, keysSupplied: 128, bytesSupplied: 4096, refused: 2, shortages: 1 },
    audit: {
      folder: "/var/lib/qkdnd/node-a/audit",
      sequence: 4212,
      head: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    },
    certificates: [{ use: "SAEs", subject: "CN=node-a", notAfter: 1_792_000_000_000, daysLeft: 23.6 }],
  };
}

/** A link is down, its module lost, a pool low, another empty, and a sum that does not hold. */
export function badStatus(): NodeStatus {
  const well = wellStatus();
  const [good] = well.links;
  const [outbound, inbound] = well.pools;
  return {
    ...well,
    uptimeMs: 8_500,
    health: { live: true, ready: false, reasons: ["no link has a session"] },
    store: { stockBytes: 0, troubles: ["disk full: intake stopped"] },
    links: [
      {
        ...good!,
        session: "down",
        module: { state: "absent", reason: "no answer on /dev/ttyUSB0" },
        troubles: ["3 proofs were wrong within a minute"],
      },
    ],
    pools: [
      { ...outbound!, keys: 499, plan: badPlan() },
      { ...inbound!, keys: 0, stockBytes: 0 },
    ],
    map: badMap(),
    ledger: [{ owner: "link/node-a--node-b", balances: balances({ received: 100, burned: 60 }) }],
    audit: { ...well.audit!, trouble: "ENOSPC: no space left on device, write" },
    certificates: [
      { use: "peers", subject: "CN=node-a", notAfter: 0, daysLeft: -0.5 },
      { use: "SAEs", subject: "CN=node-a", notAfter: 0, daysLeft: 3.2 },
    ],
  };
}
