/** What happened in a network between two looks at it, as sentences. */
import { type NodeStatus, alarmsOf } from "../api/operator/node-status.ts";
import { bytesText, countText } from "../api/operator/text-table.ts";
import {
  LINK_CONDITIONS,
  MODULE_LOST,
  NO_KM_LINK,
  type NetworkView,
  type ViewedLink,
  type ViewedNode,
  isLow,
  linksOf,
  poolName,
  poolsOf,
} from "./network-view.ts";
import type { Tone } from "./styled-line.ts";

export interface Happening {
  readonly sentence: string;
  readonly tone: Tone;
}

/** What has to be remembered to tell one happening from another; it is kept up to date. */
export interface EventMemory {
  /** Pools that ran empty and are not refilled yet. */
  readonly emptied: Set<string>;
  /** All links were up and all pools stocked once: before, ways change with every drop of pad. */
  wasStocked: boolean;
}

export function happeningsBetween(before: NetworkView, after: NetworkView, memory: EventMemory): readonly Happening[] {
  memory.wasStocked ||=
    linksOf(before).every((link) => !isBad(link)) && poolsOf(before).every(({ pool }) => !isLow(pool));
  const nodesBefore = new Map(before.nodes.map((node) => [node.id, node]));
  const linksBefore = new Map(linksOf(before).map((link) => [link.id, link]));
  return [
    ...after.nodes.flatMap((node) => happeningsOfNode(nodesBefore.get(node.id), node)),
    ...(memory.wasStocked ? after.nodes.flatMap((node) => reroutesOf(nodesBefore.get(node.id), node)) : []),
    ...linksOf(after).flatMap((link) => happeningsOfLink(linksBefore.get(link.id), link)),
    ...happeningsOfPools(before, after, memory.emptied),
  ];
}

function happeningsOfNode(before: ViewedNode | undefined, { id, status, absence }: ViewedNode): readonly Happening[] {
  const known = before?.status;
  if (known === undefined) {
    return status === undefined || before === undefined ? [] : [{ sentence: `${id} answers again`, tone: "good" }];
  }
  if (status === undefined) {
    return [{ sentence: `${id} does not answer${absence === undefined ? "" : `: ${absence}`}`, tone: "bad" }];
  }
  if (status.uptimeMs < known.uptimeMs) return [{ sentence: `${id} was started again`, tone: "warning" }];
  const shortages = status.supply.shortages - known.supply.shortages;
  const keyShort = `${id}: ${countText(shortages)} ${shortages === 1 ? "request" : "requests"} found too little key`;
  return [
    ...newAlarms(known, status).map((sentence): Happening => ({ sentence: `${id}: ${sentence}`, tone: "warning" })),
    ...discardsSince(known, status).map((sentence): Happening => ({ sentence: `${id} ${sentence}`, tone: "warning" })),
    ...(shortages > 0 ? [{ sentence: keyShort, tone: "bad" } as const] : []),
  ];
}

/** How long ago it was is told by the time of the event. */
const AGE = / \(\d+ s ago\)$/;

/** Sessions and modules are told of by their links. */
function newAlarms(before: NodeStatus, after: NodeStatus): readonly string[] {
  const sentencesOf = (status: NodeStatus): readonly string[] =>
    alarmsOf(status)
      .filter(({ type }) => type !== "session" && type !== "module")
      .map(({ sentence }) => sentence.replace(AGE, ""))
      .filter((sentence) => !isToldByLink(sentence.replace(/^link to [^:]*: /, "")));
  const known = new Set(sentencesOf(before));
  return [...new Set(sentencesOf(after))].filter((sentence) => !known.has(sentence));
}

const isToldByLink = (trouble: string): boolean => [MODULE_LOST, NO_KM_LINK].some((kind) => kind.test(trouble));

/** Ways of another length: scarcity of pad alone changes between equal ones all the time. */
function reroutesOf(before: ViewedNode | undefined, { id, status }: ViewedNode): readonly Happening[] {
  const known = new Map(before?.status?.map.routes.map(({ to, route }) => [to, route]));
  return (status?.map.routes ?? []).flatMap(({ to, route }): readonly Happening[] => {
    if (!known.has(to) || route?.length === known.get(to)?.length) return [];
    if (route === undefined) return [{ sentence: `${id} has no way to ${to}`, tone: "warning" }];
    const between = route.slice(0, -1);
    const way = between.length === 0 ? "directly" : `by ${between.join(", ")}`;
    return [{ sentence: `${id} reaches ${to} ${way} now`, tone: "warning" }];
  });
}

function discardsSince(before: NodeStatus, after: NodeStatus): readonly string[] {
  return after.ledger.flatMap(({ owner, balances }) => {
    const known = before.ledger.find((line) => line.owner === owner)?.balances.discarded;
    const bytes = known === undefined ? 0 : balances.discarded - known;
    return bytes > 0 ? [`discarded ${bytesText(bytes)} of ${owner.replace("/", " ")}`] : [];
  });
}

/** A link of a node that is down says nothing of its own. */
function happeningsOfLink(before: ViewedLink | undefined, after: ViewedLink): readonly Happening[] {
  const { id, condition, why } = after;
  if (before === undefined || condition === "node down") return [];
  if (!isBad(after)) return isBad(before) ? [{ sentence: `link ${id} is up`, tone: "good" }] : [];
  if (before.condition === condition) return [];
  return [{ sentence: `link ${id}: ${condition}${why === undefined ? "" : `, ${why}`}`, tone: "bad" }];
}

const isBad = ({ condition }: ViewedLink): boolean => LINK_CONDITIONS[condition].tone === "bad";

function happeningsOfPools(before: NetworkView, after: NetworkView, emptied: Set<string>): readonly Happening[] {
  const keysBefore = new Map(poolsOf(before).map((pool) => [poolName(pool), pool.pool.keys]));
  const happenings: Happening[] = [];
  for (const viewed of poolsOf(after)) {
    const name = poolName(viewed);
    const known = keysBefore.get(name);
    if (viewed.pool.keys === 0 && known !== undefined && known > 0) {
      emptied.add(name);
      happenings.push({ sentence: `pool ${name} is empty`, tone: "bad" });
    } else if (emptied.has(name) && !isLow(viewed.pool)) {
      emptied.delete(name);
      happenings.push({ sentence: `pool ${name} is refilled`, tone: "good" });
    }
  }
  return happenings;
}
