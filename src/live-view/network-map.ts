/** A network as a drawing of characters: nodes around an oval, links as lines between them. */
import type { NodeId } from "../model/ids.ts";
import { LINK_CONDITIONS, type NetworkView, type ViewedLink, linksOf, nodeWord } from "./network-view.ts";
import type { Span, StyledLine, Tone } from "./styled-line.ts";

export interface MapSize {
  readonly columns: number;
  readonly rows: number;
}

interface Place {
  readonly x: number;
  readonly y: number;
}

interface Cell {
  readonly text: string;
  readonly tone: Tone;
}

const BLANK: Cell = { text: " ", tone: "plain" };

/** The same view and size give the same drawing. */
export function mapLines(view: NetworkView, size: MapSize): readonly StyledLine[] {
  const cells: Cell[][] = Array.from({ length: size.rows }, () => Array.from({ length: size.columns }, () => BLANK));
  const put = ({ x, y }: Place, text: string, tone: Tone): void => {
    for (const [at, character] of [...text].entries()) {
      const row = cells[y];
      if (row !== undefined && x + at >= 0 && x + at < size.columns) row[x + at] = { text: character, tone };
    }
  };
  const places = placesOf(view, size);
  for (const link of linksOf(view)) drawLink(link, places, put);
  for (const node of view.nodes) {
    const label = labelOf(node.id);
    const { x, y } = places.get(node.id)!;
    put(
      { x: Math.min(Math.max(0, x - (label.length >> 1)), size.columns - label.length), y },
      label,
      nodeWord(node).tone,
    );
  }
  return cells.map(joined);
}

const labelOf = (id: NodeId): string => `[${id}]`;

/** Strokes between two nodes of a chain, at least. */
const CHAIN_STROKES_MIN = 4;

/** A chain that has room in one row; else around an oval, from the top, clockwise, and around a hub where there is one. */
function placesOf(view: NetworkView, size: MapSize): ReadonlyMap<NodeId, Place> {
  const labelCells = Math.max(...view.nodes.map(({ id }) => labelOf(id).length));
  const isChain = view.links.length === view.nodes.length - 1 && view.links.every((ends, at) => isStep(view, ends, at));
  const step = Math.floor((size.columns - labelCells) / Math.max(1, view.nodes.length - 1));
  if (isChain && step >= labelCells + CHAIN_STROKES_MIN) {
    const y = size.rows >> 1;
    return new Map(view.nodes.map(({ id }, at) => [id, { x: (labelCells >> 1) + at * step, y }]));
  }
  return ovalOf(view, size, labelCells);
}

const isStep = ({ nodes }: NetworkView, ends: readonly NodeId[], at: number): boolean =>
  ends.includes(nodes[at]!.id) && ends.includes(nodes[at + 1]!.id);

function ovalOf(
  { nodes, links }: NetworkView,
  { columns, rows }: MapSize,
  labelCells: number,
): ReadonlyMap<NodeId, Place> {
  const hub = links.length > 2 ? nodes.find(({ id }) => links.every((ends) => ends.includes(id)))?.id : undefined;
  const around = nodes.filter(({ id }) => id !== hub);
  const angles = around.map((_, at) => (2 * Math.PI * at) / around.length - Math.PI / 2);
  const across = spread(angles.map(Math.cos), labelCells / 2, columns - labelCells / 2);
  const down = spread(angles.map(Math.sin), 0, rows - 1);
  const places = new Map(around.map(({ id }, at) => [id, { x: across[at]!, y: down[at]! }]));
  if (hub !== undefined) places.set(hub, { x: columns >> 1, y: rows >> 1 });
  return places;
}

/** The values as whole numbers from `least` to `most`. */
function spread(values: readonly number[], least: number, most: number): readonly number[] {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return values.map((value) => Math.round(least + ((most - least) * (value - low)) / (high - low || 1)));
}

function drawLink(
  { ends, condition }: ViewedLink,
  places: ReadonlyMap<NodeId, Place>,
  put: (at: Place, text: string, tone: Tone) => void,
): void {
  const { tone, mark } = LINK_CONDITIONS[condition];
  const [from, to] = ends.map((id) => places.get(id)!).toSorted((one, other) => one.x - other.x) as [Place, Place];
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const steps = Math.max(dx, Math.abs(dy));
  let before = from;
  for (let step = 1; step < steps; step++) {
    const here = { x: Math.round(from.x + (dx * step) / steps), y: Math.round(from.y + (dy * step) / steps) };
    put(here, strokeBetween(before, here), tone);
    before = here;
  }
  const half = { x: Math.round(from.x + dx / 2), y: Math.round(from.y + dy / 2) };
  if (mark !== "") put({ x: half.x - 1, y: half.y }, ` ${mark} `, tone);
}

/** The stroke for a step to the right, up or down. */
function strokeBetween(before: Place, here: Place): string {
  if (here.x === before.x) return "|";
  if (here.y === before.y) return "-";
  return here.y > before.y ? "\\" : "/";
}

/** Cells of one tone as one span. */
function joined(cells: readonly Cell[]): StyledLine {
  const spans: Span[] = [];
  for (const { text, tone } of cells) {
    const last = spans.at(-1);
    if (last?.tone === tone) spans[spans.length - 1] = { text: last.text + text, tone };
    else spans.push({ text, tone });
  }
  return spans;
}
