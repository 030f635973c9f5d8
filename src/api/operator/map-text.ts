/** The network map as people read it at a terminal: links first, then ways to each node. */
import { BITS_PER_BYTE } from "../../model/units.ts";
import type { MappedLinkStatus, MapStatus, RouteStatus } from "./map-status.ts";
import type { NodeStatus } from "./node-status.ts";
import { type Column, bytesText, durationText, rateText, textTable } from "./text-table.ts";

const NOTHING = "-";
const INDENT = "  ";

/** Plain ASCII, ends with a line break. The same status gives the same text. */
export function renderMap({ node, map }: Pick<NodeStatus, "node" | "map">): string {
  const unheard = map.nodes.filter(({ ageMs }) => ageMs === undefined);
  const sections = [
    [`the network as ${node} knows it: ${map.nodes.length} nodes, ${upOf(map)} of ${map.links.length} links up`],
    ...(unheard.length === 0 ? [] : [[`not heard of: ${unheard.map((silent) => silent.node).join(", ")}`]]),
    table("links", textTable(LINK_COLUMNS, map.links), map.links),
    table(`routes from ${node}`, textTable(ROUTE_COLUMNS, map.routes), map.routes),
  ];
  return `${sections.map((lines) => lines.join("\n")).join("\n\n")}\n`;
}

const upOf = ({ links }: MapStatus): number => links.filter(({ state }) => state === "up").length;

function table(title: string, lines: readonly string[], rows: readonly unknown[]): readonly string[] {
  return rows.length === 0 ? [`${title}: none`] : [title, ...lines.map((line) => INDENT + line)];
}

/** Of the end whose name comes first, and of the other. */
const SIDES = [
  { at: 0, arrow: "->" },
  { at: 1, arrow: "<-" },
] as const;

const LINK_COLUMNS: readonly Column<MappedLinkStatus>[] = [
  { title: "link", cell: ({ ends }) => ends.join(" -- ") },
  { title: "state", cell: ({ state }) => state },
  ...SIDES.map(({ at, arrow }): Column<MappedLinkStatus> => ({
    title: `pad ${arrow}`,
    cell: ({ says }) => (says[at] === null ? NOTHING : bytesText(says[at].padBytes)),
    align: "right",
  })),
  ...SIDES.map(({ at, arrow }): Column<MappedLinkStatus> => ({
    title: `rate ${arrow}`,
    cell: ({ says }) => (says[at] === null ? NOTHING : rateText(says[at].padBytesPerSecond * BITS_PER_BYTE)),
    align: "right",
  })),
  { title: "told", cell: toldAgo, align: "right" },
];

/** By the end that was not heard for longer. */
function toldAgo({ says }: MappedLinkStatus): string {
  const ages = says.map((end) => end?.ageMs ?? 0);
  return `${durationText(Math.max(...ages))} ago`;
}

const ROUTE_COLUMNS: readonly Column<RouteStatus>[] = [
  { title: "to", cell: ({ to }) => to },
  { title: "hops", cell: ({ route }) => (route === undefined ? NOTHING : String(route.length)), align: "right" },
  { title: "by", cell: ({ route }) => (route === undefined ? "NO ROUTE" : route.join(" ")) },
  {
    title: "disjoint ways",
    cell: ({ disjoint }) => (disjoint === undefined ? NOTHING : String(disjoint.length)),
    align: "right",
  },
];
