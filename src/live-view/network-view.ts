/** What is seen of a network at one moment: its nodes as they answer, and what both ends say of each link. */
import type { LinkStatus, NodeStatus, PoolStatus } from "../api/operator/node-status.ts";
import { type LinkId, type NodeId, linkIdBetween } from "../model/ids.ts";
import type { WallMs } from "../runtime/clock.ts";
import type { Tone } from "./styled-line.ts";

export interface ViewedNode {
  readonly id: NodeId;
  /** Undefined where it does not answer, or is not asked. */
  readonly status: NodeStatus | undefined;
  /** Why it does not answer, where that is known: "stopped". */
  readonly absence?: string | undefined;
  /** False for a neighbour of whom only others tell. */
  readonly isAsked: boolean;
}

export interface NetworkView {
  readonly at: WallMs;
  readonly nodes: readonly ViewedNode[];
  readonly links: readonly (readonly [NodeId, NodeId])[];
}

/** The state that a link is in, the worst of what is known first. */
export const LINK_CONDITIONS = {
  "node down": { tone: "bad", mark: "?" },
  "no session": { tone: "bad", mark: "~" },
  "no module": { tone: "bad", mark: "!" },
  "module faulty": { tone: "bad", mark: "!" },
  "no key": { tone: "bad", mark: "X" },
  full: { tone: "good", mark: "" },
  up: { tone: "good", mark: "" },
} as const satisfies Record<string, { readonly tone: Tone; readonly mark: string }>;

export type LinkCondition = keyof typeof LINK_CONDITIONS;

export interface ViewedLink {
  readonly id: LinkId;
  readonly ends: readonly [NodeId, NodeId];
  readonly condition: LinkCondition;
  /** "no light from the other end" */
  readonly why: string | undefined;
  readonly rateBps: number | undefined;
  readonly qber: number | undefined;
  /** Pads of the first end for the second, and back. */
  readonly stockBytes: readonly [there: number | undefined, back: number | undefined];
}

export const MODULE_LOST = /^module lost: /;
export const NO_KM_LINK = /^no KM link to [^:]*: (no session with \S+ \(\S+\): )?/;

export function linksOf(view: NetworkView): readonly ViewedLink[] {
  return view.links.map((ends) => linkOf(view, ends));
}

function linkOf({ nodes }: NetworkView, ends: readonly [NodeId, NodeId]): ViewedLink {
  const node = (id: NodeId): ViewedNode | undefined => nodes.find((each) => each.id === id);
  const told = (id: NodeId, other: NodeId): LinkStatus | undefined =>
    node(id)?.status?.links.find(({ neighbour }) => neighbour === other);
  const [near, far] = [told(ends[0], ends[1]), told(ends[1], ends[0])];
  const isDown = ends.some((id) => node(id)?.isAsked === true && node(id)?.status === undefined);
  const sides = [near, far].filter((side) => side !== undefined);
  return {
    id: linkIdBetween(...ends),
    ends,
    ...conditionOf(sides, isDown),
    rateBps: near?.module.secretKeyRateBps ?? far?.module.secretKeyRateBps,
    qber: near?.module.qber ?? far?.module.qber,
    stockBytes: [
      near?.stockBytes.outbound ?? far?.stockBytes.inbound,
      far?.stockBytes.outbound ?? near?.stockBytes.inbound,
    ],
  };
}

function conditionOf(sides: readonly LinkStatus[], isDown: boolean): Pick<ViewedLink, "condition" | "why"> {
  const troubles = sides.flatMap((side) => side.troubles);
  const inState = (state: LinkStatus["module"]["state"]): LinkStatus | undefined =>
    sides.find(({ module }) => module.state === state);
  if (isDown || sides.length === 0) return { condition: "node down", why: undefined };
  const trouble = (kind: RegExp): string | undefined => troubles.find((text) => kind.test(text))?.replace(kind, "");
  if (sides.some(({ session }) => session === "down")) return { condition: "no session", why: trouble(NO_KM_LINK) };
  if (inState("absent") !== undefined) return { condition: "no module", why: trouble(MODULE_LOST) };
  const failing = inState("faulty") ?? inState("aligning");
  if (failing !== undefined) {
    const condition = failing.module.state === "faulty" ? "module faulty" : "no key";
    return { condition, why: failing.module.reason ?? failing.module.state };
  }
  return { condition: sides.some(({ stockIsFull }) => stockIsFull) ? "full" : "up", why: undefined };
}

/** A pool as its initiator tells of it. */
export interface ViewedPool {
  readonly from: NodeId;
  readonly pool: PoolStatus;
}

/** All pools that the nodes allocate from: empty ones, low ones, the others; each in the order of the nodes. */
export function poolsOf({ nodes }: NetworkView): readonly ViewedPool[] {
  return nodes
    .flatMap(({ id, status }) =>
      (status?.pools ?? [])
        .filter(({ direction }) => direction === "outbound")
        .map((pool): ViewedPool => ({ from: id, pool })),
    )
    .toSorted((one, other) => needOf(one.pool) - needOf(other.pool));
}

const needOf = (pool: PoolStatus): number => (pool.keys === 0 ? 0 : isLow(pool) ? 1 : 2);

/** Keys by target: 1 where there is what is wanted, or nothing is. */
export function fillOf({ keys, targetKeys = 0 }: PoolStatus): number {
  return targetKeys === 0 ? 1 : keys / targetKeys;
}

export function isLow({ keys, lowKeys = 0 }: PoolStatus): boolean {
  return keys < lowKeys;
}

/** "aachen > celle"; with its class, where it is not the ordinary one. */
export function poolName({ from, pool: { remote, keyClass } }: ViewedPool): string {
  return `${from} > ${remote}${keyClass === "default" ? "" : ` ${keyClass}`}`;
}

/** How a node is doing, in a word or two. */
export function nodeWord({ status, absence, isAsked }: ViewedNode): { readonly word: string; readonly tone: Tone } {
  if (!isAsked) return { word: "", tone: "dim" };
  if (status === undefined) return { word: absence ?? "no answer", tone: "bad" };
  return status.health.ready ? { word: "ready", tone: "good" } : { word: "not ready", tone: "warning" };
}
