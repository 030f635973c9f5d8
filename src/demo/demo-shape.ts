/** The shapes that a demo network may have, and which nodes are how far apart in them. */
import { QkdError } from "../model/errors.ts";

/** What each shape is, for `--help`. */
export const SHAPES = {
  ring: "each node has a link to the next, the last one to the first: two ways between any two nodes",
  chain: "each node has a link to the next: one way",
  star: "the first node has a link to each other one",
  mesh: "each node has a link to each other one",
} as const;

export type ShapeName = keyof typeof SHAPES;
export const SHAPE_NAMES = Object.keys(SHAPES) as [ShapeName, ...ShapeName[]];

export const NODES_MIN = 3;
/** The map, the ports and two processor cores have room for so many. */
export const NODES_MAX = 16;
/** Each link is two modules with a terminal each. */
export const LINKS_MAX = 28;

/** Two nodes, by their place in the list of nodes, the earlier one first. */
export type Span = readonly [from: number, to: number];

/** @throws QkdError CONFIG_INVALID when that would be too many links */
export function spansOf(shape: ShapeName, nodes: number): readonly Span[] {
  const spans = allSpans(shape, nodes);
  if (spans.length > LINKS_MAX) {
    const sentence = `a ${shape} of ${nodes} nodes has ${spans.length} links, at most ${LINKS_MAX} can be emulated`;
    throw new QkdError("CONFIG_INVALID", `${sentence}; choose fewer --nodes, or another --shape`, { nodes });
  }
  return spans;
}

function allSpans(shape: ShapeName, nodes: number): readonly Span[] {
  const from = (first: number): readonly number[] => Array.from({ length: nodes - first }, (_, at) => first + at);
  switch (shape) {
    case "chain":
      return from(1).map((at) => [at - 1, at]);
    case "ring":
      return [...allSpans("chain", nodes), [0, nodes - 1]];
    case "star":
      return from(1).map((at) => [0, at]);
    case "mesh":
      return from(0).flatMap((one) => from(one + 1).map((other): Span => [one, other]));
  }
}

/** The first two nodes with one node between them; neighbours, where all are neighbours. */
export function twoHopsApart(spans: readonly Span[], nodes: number): Span {
  const isLink = (one: number, other: number): boolean =>
    spans.some(([from, to]) => from === Math.min(one, other) && to === Math.max(one, other));
  const pairs = allSpans("mesh", nodes);
  const isTwoHops = ([one, other]: Span): boolean =>
    !isLink(one, other) &&
    Array.from({ length: nodes }, (_, at) => at).some((middle) => isLink(one, middle) && isLink(middle, other));
  return pairs.find(isTwoHops) ?? pairs[0]!;
}
