/** What a demo shows of its network: links, stocks, pools against targets. */
import { type LinkStatus, type NodeStatus, type PoolStatus, troublesOf } from "../api/operator/node-status.ts";
import { type Column, bytesText, percentText, rateText, textTable } from "../api/operator/text-table.ts";
import type { DemoPlan } from "./demo-plan.ts";

/** The status of each node of the plan, in its order; undefined where it does not answer. */
export type NetworkStatus = readonly (NodeStatus | undefined)[];

const NOTHING = "-";
const INDENT = "  ";
const BAR_CELLS = 20;
const TROUBLES_SHOWN_MAX = 6;

interface LinkRow {
  readonly name: string;
  readonly link: LinkStatus | undefined;
}

interface PoolRow {
  readonly from: string;
  readonly pool: PoolStatus;
}

const LINK_COLUMNS: readonly Column<LinkRow>[] = [
  { title: "link", cell: ({ name }) => name },
  { title: "module", cell: ({ link }) => link?.module.state ?? NOTHING },
  { title: "rate", cell: ({ link }) => shown(link?.module.secretKeyRateBps, rateText), align: "right" },
  { title: "QBER", cell: ({ link }) => shown(link?.module.qber, percentText), align: "right" },
  { title: "session", cell: ({ link }) => link?.session ?? NOTHING },
  { title: "stock ->", cell: ({ link }) => shown(link?.stockBytes.outbound, bytesText), align: "right" },
  { title: "stock <-", cell: ({ link }) => shown(link?.stockBytes.inbound, bytesText), align: "right" },
];

const POOL_COLUMNS: readonly Column<PoolRow>[] = [
  { title: "pool", cell: ({ from, pool }) => `${from} -> ${pool.remote}` },
  { title: "keys", cell: ({ pool }) => String(pool.keys), align: "right" },
  { title: "low", cell: ({ pool }) => shown(pool.lowKeys, String), align: "right" },
  { title: "target", cell: ({ pool }) => shown(pool.targetKeys, String), align: "right" },
  { title: "", cell: ({ pool }) => bar(pool) },
];

export function networkLines(plan: DemoPlan, network: NetworkStatus): readonly string[] {
  const troubles = troublesIn(plan, network);
  return [
    ...textTable(LINK_COLUMNS, linkRows(plan, network)),
    "",
    ...textTable(POOL_COLUMNS, poolRows(plan, network)),
    ...(troubles.length === 0 ? [] : ["", ...troubles.map((trouble) => `! ${trouble}`)]),
  ].map((line) => (line === "" ? "" : INDENT + line));
}

/** One line, for a log. */
export function summaryLine(plan: DemoPlan, network: NetworkStatus): string {
  const links = linkRows(plan, network);
  const up = links.filter(({ link }) => link?.session === "up" && link.module.state === "generating").length;
  const pools = poolRows(plan, network).map(
    ({ from, pool }) => `${from}>${pool.remote} ${pool.keys}/${pool.targetKeys ?? 0}`,
  );
  return [`links ${up} of ${links.length} up`, `keys ${pools.join(" ")}`, ...troublesIn(plan, network)].join("; ");
}

/** Every pool of every node is above its low mark. */
export function isStocked(plan: DemoPlan, network: NetworkStatus): boolean {
  const pools = poolRows(plan, network);
  const wanted = plan.nodes.length * (plan.nodes.length - 1);
  return pools.length === wanted && pools.every(({ pool }) => pool.keys >= (pool.lowKeys ?? 0));
}

function linkRows(plan: DemoPlan, network: NetworkStatus): readonly LinkRow[] {
  return plan.links.map(({ ends: [one, other] }) => {
    const from = plan.nodes.findIndex(({ id }) => id === one);
    return { name: `${one} -- ${other}`, link: network[from]?.links.find(({ neighbour }) => neighbour === other) };
  });
}

function poolRows(plan: DemoPlan, network: NetworkStatus): readonly PoolRow[] {
  return network.flatMap((status, at) =>
    (status?.pools ?? [])
      .filter(({ direction }) => direction === "outbound")
      .map((pool) => ({ from: plan.nodes[at]!.id, pool })),
  );
}

function troublesIn(plan: DemoPlan, network: NetworkStatus): readonly string[] {
  const troubles = network.flatMap((status, at) => {
    const { id } = plan.nodes[at]!;
    return status === undefined ? [`${id} does not answer`] : troublesOf(status).map((trouble) => `${id}: ${trouble}`);
  });
  return troubles.slice(0, TROUBLES_SHOWN_MAX);
}

function bar({ keys, targetKeys = 0 }: PoolStatus): string {
  const filled = targetKeys === 0 ? 0 : Math.min(BAR_CELLS, Math.round((BAR_CELLS * keys) / targetKeys));
  return `[${"#".repeat(filled)}${".".repeat(BAR_CELLS - filled)}]`;
}

function shown(value: number | undefined, text: (value: number) => string): string {
  return value === undefined ? NOTHING : text(value);
}
