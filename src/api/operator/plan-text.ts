/** The plans of a node as people read them at a terminal: a table of pools, then the reason of each, and its last orders. */
import type { NodeStatus, PoolStatus } from "./node-status.ts";
import type { OrderStatus, PlanStatus } from "./plan-status.ts";
import { routesText } from "./status-text.ts";
import { type Column, bytesText, countText, durationText, percentText, textTable } from "./text-table.ts";

const NOTHING = "-";
const INDENT = "  ";
const ORDERS_SHOWN_MAX = 3;

type PlannedPool = PoolStatus & { readonly plan: PlanStatus };

/** Plain ASCII, ends with a line break. The same status gives the same text. */
export function renderPlan({ node, pools }: Pick<NodeStatus, "node" | "pools">): string {
  const planned = plannedPools(pools);
  if (planned.length === 0) return `${node} fills no pool: no SAE here shares keys with one at another node\n`;
  const sections = [
    [`${node} fills ${planned.length} ${planned.length === 1 ? "pool" : "pools"}; keys are of the default size`],
    ["plan", ...textTable(planColumns(planned), planned).map(indented)],
    ["demand and relays", ...textTable(ESTIMATE_COLUMNS, planned).map(indented)],
    ["why", ...planned.flatMap(reasonLines).map(indented)],
  ];
  return `${sections.map((lines) => lines.join("\n")).join("\n\n")}\n`;
}

/** Those that this node fills. */
export function plannedPools(pools: NodeStatus["pools"]): readonly PlannedPool[] {
  return pools.filter((pool): pool is PlannedPool => pool.plan !== undefined);
}

const indented = (line: string): string => INDENT + line;

const nameOf = ({ remote, keyClass }: PlannedPool): string => `${remote} ${keyClass}`;

const PLAN_COLUMNS: readonly Column<PlannedPool>[] = [
  { title: "pool", cell: nameOf },
  { title: "grade", cell: ({ plan }) => plan.grade },
  { title: "strategy", cell: ({ plan }) => plan.strategy },
  { title: "phase", cell: ({ plan }) => plan.phase },
  { title: "keys", cell: ({ keys }) => countText(keys), align: "right" },
  { title: "target", cell: ({ targetKeys }) => countText(targetKeys ?? 0), align: "right" },
  { title: "in flight", cell: ({ inFlightBytes }) => bytesText(inFlightBytes), align: "right" },
  { title: "asked, waits", cell: ({ plan }) => bytesText(plan.waitingBytes), align: "right" },
  { title: "lasts", cell: ({ plan }) => lastsText(plan), align: "right" },
  { title: "hits", cell: ({ plan }) => countText(plan.requests.hits), align: "right" },
  { title: "misses", cell: ({ plan }) => countText(plan.requests.latencyMisses), align: "right" },
  { title: "for want of pad", cell: ({ plan }) => countText(plan.requests.supplyMisses), align: "right" },
];

function planColumns(pools: readonly PlannedPool[]): readonly Column<PlannedPool>[] {
  const routes: Column<PlannedPool> = { title: "disjoint routes", cell: routesText, align: "right" };
  return pools.some(({ split }) => split !== undefined) ? [...PLAN_COLUMNS, routes] : PLAN_COLUMNS;
}

const ESTIMATE_COLUMNS: readonly Column<PlannedPool>[] = [
  { title: "pool", cell: nameOf },
  { title: "keys/s, 1 s", cell: ({ plan }) => rateText(plan.demand.keysPerSecondFast), align: "right" },
  { title: "1 min", cell: ({ plan }) => rateText(plan.demand.keysPerSecondSlow), align: "right" },
  { title: "dispersion", cell: ({ plan }) => plan.demand.dispersion.toFixed(1), align: "right" },
  { title: "most in a lead time", cell: ({ plan }) => plan.demand.largestWindowKeys.toFixed(1), align: "right" },
  { title: "forecast off by", cell: ({ plan }) => ratioText(plan.demand.forecastErrorRatio), align: "right" },
  { title: "lead time", cell: ({ plan }) => msText(plan.leadTimeMs.mean), align: "right" },
  { title: "at most", cell: ({ plan }) => msText(plan.leadTimeMs.bound), align: "right" },
  { title: "pad", cell: ({ plan }) => bytesText(plan.padBytes), align: "right" },
];

function reasonLines(pool: PlannedPool): readonly string[] {
  const { orderBytes, reason, waits, orders } = pool.plan;
  const order = orderBytes === 0 ? "orders nothing" : `orders ${bytesText(orderBytes)}`;
  return [
    `${nameOf(pool)}: ${order}: ${reason}${waits === null ? "" : `; ${waits}`}`,
    ...orders.slice(-ORDERS_SHOWN_MAX).reverse().map(orderLine),
  ];
}

function orderLine({ agoMs, bytes, reason, result }: OrderStatus): string {
  const end = result === null ? "under way" : `${result.outcome} after ${msText(result.durationMs)}`;
  return `${INDENT}${durationText(agoMs)} ago ${bytesText(bytes)}, ${end}: ${reason}`;
}

const lastsText = ({ autonomySeconds }: PlanStatus): string =>
  autonomySeconds === null ? NOTHING : durationText(1_000 * autonomySeconds);
const rateText = (keysPerSecond: number): string =>
  keysPerSecond >= 100 ? countText(keysPerSecond) : keysPerSecond.toFixed(2);
const ratioText = (ratio: number | null): string => (ratio === null ? NOTHING : percentText(ratio));
const msText = (ms: number | null): string => (ms === null ? NOTHING : `${Math.round(ms)} ms`);
