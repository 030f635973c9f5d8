/** Emulated links as people read them at a terminal. */
import { type Column, countText, percentText, rateText, textTable } from "../api/operator/text-table.ts";
import type { EmulatedLinkState } from "./emulator.ts";
import type { LinkEnd } from "./link-pair.ts";

const COLUMNS: readonly Column<EmulatedLinkState>[] = [
  { title: "link", cell: ({ id }) => id },
  { title: "fibre", cell: ({ status: { state, reason } }) => reason ?? state },
  { title: "rate", cell: ({ status: { secretKeyRateBps: rate } }) => shown(rate, rateText), align: "right" },
  { title: "QBER", cell: ({ status: { qber } }) => shown(qber, percentText), align: "right" },
  { title: "module a", cell: (link) => endText(link, "a") },
  { title: "module b", cell: (link) => endText(link, "b") },
  { title: "blocks", cell: ({ generatedBlocks }) => countText(generatedBlocks), align: "right" },
  { title: "stored at a", cell: ({ acknowledgedBlocks }) => countText(acknowledgedBlocks.a), align: "right" },
  { title: "at b", cell: ({ acknowledgedBlocks }) => countText(acknowledgedBlocks.b), align: "right" },
];

export function linkTable(links: readonly EmulatedLinkState[]): readonly string[] {
  return textTable(COLUMNS, links);
}

function endText({ plugged, stalled, slow, stuck }: EmulatedLinkState, end: LinkEnd): string {
  const faults = [
    ...(plugged.includes(end) ? [] : ["unplugged"]),
    ...(stalled.includes(end) ? ["stalled"] : []),
    ...(slow.includes(end) ? ["slow"] : []),
    ...(stuck ? ["stuck"] : []),
  ];
  return faults.length === 0 ? "well" : faults.join(", ");
}

function shown(value: number | undefined, text: (value: number) => string): string {
  return value === undefined ? "-" : text(value);
}
