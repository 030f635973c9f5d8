/** The whole picture of a network for a terminal of a given size: map, links, pools, supply, events. */
import { type Column, bytesText, countText, percentText, rateText, textTable } from "../api/operator/text-table.ts";
import type { WallMs } from "../runtime/clock.ts";
import { mapLines } from "./network-map.ts";
import type { NetworkEvent, NetworkHistory } from "./network-history.ts";
import {
  LINK_CONDITIONS,
  type NetworkView,
  type ViewedLink,
  type ViewedNode,
  type ViewedPool,
  fillOf,
  isLow,
  linksOf,
  nodeWord,
  poolName,
  poolsOf,
} from "./network-view.ts";
import { EMPTY_LINE, type StyledLine, type Tone, beside, clipped, fitted, line, span, widthOf } from "./styled-line.ts";

export interface FrameSize {
  readonly columns: number;
  readonly rows: number;
}

export interface FrameWords {
  /** "qkdnd demo: ring of 5" */
  readonly left: string;
  /** "q ends" */
  readonly right: string;
  /** A time of day, as people here read it. */
  readonly timeOfDay: (at: WallMs) => string;
}

const GAP = 2;
const NOTHING = "-";

/** At most `size.rows` lines of at most `size.columns` cells. */
export function networkFrame(history: NetworkHistory, words: FrameWords, size: FrameSize): readonly StyledLine[] {
  const view = history.view;
  if (view === undefined) return [titleLine(words, size)];
  const links = linkLines(linksOf(view));
  const pools = poolLines(poolsOf(view), size.columns);
  const supply = supplyLines(history, view.nodes);
  const mapRows = mapRowsFor(view);
  const [linkRows, eventRows, topRows, poolRows] = sharesOf(size.rows - 1, [
    { min: Math.min(links.length, 6) + 1, wanted: links.length + 1 },
    { min: 4, wanted: 4 },
    { min: 8, wanted: Math.max(mapRows, supply.length) + 1 },
    { min: 4, wanted: pools.length + 1 },
  ]) as [number, number, number, number];
  const restRows = size.rows - 1 - linkRows - eventRows - topRows - poolRows;
  return [
    titleLine(words, size),
    ...section(topLines(view, supply, { columns: size.columns, rows: topRows - 1 }), topRows),
    ...section(links, linkRows),
    ...section(pools, poolRows, pools.length > poolRows - 1 ? "and more, better filled" : undefined),
    ...section(eventLines(history.events, eventRows + restRows - 1, words), eventRows + restRows),
  ].map((each) => clipped(each, size.columns));
}

interface Wish {
  readonly min: number;
  readonly wanted: number;
}

/** Rows for each, the important ones first: what they need at least, then what they want. 0 where there is no room. */
function sharesOf(rows: number, wishes: readonly Wish[]): readonly number[] {
  let left = rows;
  const take = (wish: number): number => {
    const taken = Math.min(left, wish);
    left -= taken;
    return taken;
  };
  const least = wishes.map(({ min }) => (min <= left ? take(min) : 0));
  return least.map((had, at) => (had === 0 ? 0 : had + take(Math.max(0, wishes[at]!.wanted - had))));
}

/** A blank line and as much as has room. */
function section(lines: readonly StyledLine[], rows: number, rest?: string): readonly StyledLine[] {
  if (rows === 0) return [];
  const room = rows - 1;
  const shown = lines.slice(0, rest === undefined ? room : room - 1);
  return [EMPTY_LINE, ...shown, ...(rest === undefined ? [] : [line(`  ... ${rest}`, "dim")])];
}

function titleLine({ left, right }: FrameWords, { columns }: FrameSize): StyledLine {
  return [...fitted([span(left, "strong")], columns - right.length), span(right, "dim")];
}

const MAP_CELLS_MIN = 28;
const MAP_CELLS_MAX = 60;

/** An oval of two cells to a row looks round; sixteen labels need more rows than five. */
function mapRowsFor({ nodes }: NetworkView): number {
  return nodes.length <= 6 ? 9 : 15;
}

function topLines(
  view: NetworkView,
  supply: readonly StyledLine[],
  { columns, rows }: FrameSize,
): readonly StyledLine[] {
  if (rows <= 0) return [];
  const cells = Math.min(MAP_CELLS_MAX, columns - Math.max(...supply.map(widthOf)) - GAP);
  if (cells < MAP_CELLS_MIN) return supply;
  return beside(mapLines(view, { columns: cells, rows: Math.min(rows, mapRowsFor(view)) }), supply, {
    cells,
    gap: GAP,
  });
}

interface SupplyRow {
  readonly node: ViewedNode;
  readonly perSecond: number | undefined;
}

const SUPPLY_COLUMNS: readonly Column<SupplyRow>[] = [
  { title: "node", cell: ({ node }) => node.id },
  { title: "", cell: ({ node }) => nodeWord(node).word },
  { title: "asked", cell: ({ node }) => shown(node.status?.supply.requests, countText), align: "right" },
  { title: "/s", cell: ({ perSecond }) => shown(perSecond, (rate) => rate.toFixed(1)), align: "right" },
  { title: "keys", cell: ({ node }) => shown(node.status?.supply.keysSupplied, countText), align: "right" },
  { title: "missed", cell: ({ node }) => shown(missesOf(node), countText), align: "right" },
];

/** Requests that did not find their keys ready: most of them were served after a relay, the others found too little. */
function missesOf({ status }: ViewedNode): number | undefined {
  return status?.pools.reduce(
    (sum, { misses }) => sum + (misses === undefined ? 0 : misses.latency + misses.supply),
    0,
  );
}

function supplyLines(history: NetworkHistory, nodes: readonly ViewedNode[]): readonly StyledLine[] {
  const rows = nodes.filter(({ isAsked }) => isAsked);
  return tableLines(
    SUPPLY_COLUMNS,
    rows.map((node) => ({ node, perSecond: history.requestsPerSecond(node.id) })),
    ({ node }) => (nodeWord(node).tone === "good" ? "plain" : nodeWord(node).tone),
  );
}

const LINK_COLUMNS: readonly Column<ViewedLink>[] = [
  { title: "link", cell: ({ id }) => id },
  { title: "state", cell: ({ condition }) => condition },
  { title: "rate", cell: ({ rateBps }) => shown(rateBps, rateText), align: "right" },
  { title: "QBER", cell: ({ qber }) => shown(qber, percentText), align: "right" },
  { title: "stock ->", cell: ({ stockBytes }) => shown(stockBytes[0], bytesText), align: "right" },
  { title: "stock <-", cell: ({ stockBytes }) => shown(stockBytes[1], bytesText), align: "right" },
  { title: "", cell: ({ why }) => why ?? "" },
];

/** Those with a trouble first. */
function linkLines(links: readonly ViewedLink[]): readonly StyledLine[] {
  const toneOf = ({ condition }: ViewedLink): Tone => {
    const { tone } = LINK_CONDITIONS[condition];
    return tone === "good" ? "plain" : tone;
  };
  const sorted = links.toSorted((one, other) => Number(toneOf(one) === "plain") - Number(toneOf(other) === "plain"));
  return tableLines(LINK_COLUMNS, sorted, toneOf);
}

const BAR_CELLS = 10;

/** In as many columns as have room, row by row; those first that need it most. */
function poolLines(pools: readonly ViewedPool[], columns: number): readonly StyledLine[] {
  const widths = {
    name: Math.max(0, ...pools.map((pool) => poolName(pool).length)),
    keys: Math.max(0, ...pools.map(({ pool }) => keysOf(pool).length)),
  };
  const cells = pools.map(({ from, pool }): StyledLine => {
    const tone = pool.keys === 0 ? "bad" : isLow(pool) ? "warning" : "good";
    const filled = Math.round(BAR_CELLS * Math.min(1, fillOf(pool)));
    return [
      span(`${poolName({ from, pool }).padEnd(widths.name)} [`),
      span("#".repeat(filled), tone),
      span(".".repeat(BAR_CELLS - filled), "dim"),
      span(`] ${keysOf(pool).padStart(widths.keys)}`, tone === "good" ? "plain" : tone),
    ];
  });
  const width = widths.name + widths.keys + BAR_CELLS + "[]  ".length;
  const across = Math.max(1, Math.floor((columns + GAP) / (width + GAP)));
  const down = Math.ceil(cells.length / across);
  const low = pools.filter(({ pool }) => isLow(pool)).length;
  const title = `pools: ${pools.length}, keys of their target${low === 0 ? "" : `, ${low} low`}`;
  return [
    line(title, "dim"),
    ...Array.from({ length: down }, (_, row) =>
      Array.from({ length: across }, (_, column) => cells[row * across + column] ?? EMPTY_LINE).flatMap((cell) =>
        fitted(cell, width + GAP),
      ),
    ),
  ];
}

const keysOf = ({ keys, targetKeys }: ViewedPool["pool"]): string => `${keys}/${targetKeys ?? NOTHING}`;

function eventLines(events: readonly NetworkEvent[], rows: number, { timeOfDay }: FrameWords): readonly StyledLine[] {
  const shownEvents = rows < 2 ? [] : events.slice(1 - rows);
  return [
    line(events.length === 0 ? "events: none yet" : "events", "dim"),
    ...shownEvents.map(({ at, sentence, tone }): StyledLine => [
      span(`${timeOfDay(at)}  `, "dim"),
      span(sentence, tone),
    ]),
  ];
}

function tableLines<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  toneOf: (row: Row) => Tone,
): readonly StyledLine[] {
  const [titles = "", ...cells] = textTable(columns, rows);
  return [line(titles, "dim"), ...cells.map((text, at) => line(text, toneOf(rows[at]!)))];
}

function shown<Value>(value: Value | undefined, text: (value: Value) => string): string {
  return value === undefined ? NOTHING : text(value);
}
