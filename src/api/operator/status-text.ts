/** A node's status as people read it at a terminal: troubles first, then links, pools, and where every byte went. */
import { ACCOUNTS } from "../../store/ledger.ts";
import {
  type AuditTrailStatus,
  type LedgerLine,
  type LinkStatus,
  type NodeStatus,
  type PoolStatus,
  type StoreStatus,
  type SupplyTotals,
  missingBytes,
  troublesOf,
} from "./node-status.ts";
import { type Column, bytesText, countText, durationText, percentText, rateText, textTable } from "./text-table.ts";

const NOTHING = "-";
const INDENT = "  ";

/** Plain ASCII, ends with a line break. The same status gives the same text. */
export function renderStatus(status: NodeStatus): string {
  const certificates = status.certificates ?? [];
  const sections = [
    [headLine(status), ...troublesOf(status).map((trouble) => `! ${trouble}`)],
    section("links", textTable(LINK_COLUMNS, status.links), status.links),
    section("pools", textTable(poolColumns(status.pools), status.pools), status.pools),
    section("ledger, in bytes", textTable(ledgerColumns(status.ledger), status.ledger), status.ledger),
    ["supply since start", `${INDENT}${supplyLine(status.supply)}`],
    ["store", `${INDENT}${storeLine(status.store)}`],
    ...(status.audit === undefined ? [] : [["audit trail", ...auditLines(status.audit)]]),
    ...(certificates.length === 0
      ? []
      : [section("certificates", textTable(CERTIFICATE_COLUMNS, certificates), certificates)]),
  ];
  return `${sections.map((lines) => lines.join("\n")).join("\n\n")}\n`;
}

function headLine({ node, version, uptimeMs, health }: NodeStatus): string {
  const state = !health.live ? "NOT LIVE" : health.ready ? "ready" : "NOT READY";
  return `node ${node}, qkdnd ${version}, up ${durationText(uptimeMs)}, ${state}`;
}

function section(title: string, table: readonly string[], rows: readonly unknown[]): readonly string[] {
  return rows.length === 0 ? [`${title}: none`] : [title, ...table.map((line) => INDENT + line)];
}

const LINK_COLUMNS: readonly Column<LinkStatus>[] = [
  { title: "neighbour", cell: ({ neighbour }) => neighbour },
  { title: "session", cell: ({ session }) => session },
  { title: "module", cell: ({ module }) => module.state },
  { title: "qber", cell: ({ module: { qber } }) => (qber === undefined ? NOTHING : percentText(qber)), align: "right" },
  {
    title: "rate",
    cell: ({ module: { secretKeyRateBps: rate } }) => (rate === undefined ? NOTHING : rateText(rate)),
    align: "right",
  },
  { title: "quarantine", cell: ({ stockBytes }) => bytesText(stockBytes.quarantine), align: "right" },
  { title: "outbound", cell: ({ stockBytes }) => bytesText(stockBytes.outbound), align: "right" },
  { title: "inbound", cell: ({ stockBytes }) => bytesText(stockBytes.inbound), align: "right" },
  { title: "open", cell: ({ stockBytes }) => bytesText(stockBytes.open), align: "right" },
  { title: "equipment", cell: ({ module }) => equipmentOf(module) },
];

function equipmentOf({ vendor, model, serialNumber }: LinkStatus["module"]): string {
  const parts = [vendor, model, serialNumber].filter((part) => part !== undefined);
  return parts.length === 0 ? NOTHING : parts.join(" ");
}

const POOL_COLUMNS: readonly Column<PoolStatus>[] = [
  { title: "remote", cell: ({ remote }) => remote },
  { title: "direction", cell: ({ direction }) => direction },
  { title: "class", cell: ({ keyClass }) => keyClass },
  { title: "keys", cell: ({ keys }) => countText(keys), align: "right" },
  { title: "target", cell: ({ targetKeys }) => countOrNothing(targetKeys), align: "right" },
  { title: "low", cell: ({ lowKeys }) => countOrNothing(lowKeys), align: "right" },
  { title: "stock", cell: ({ stockBytes }) => bytesText(stockBytes), align: "right" },
  { title: "in flight", cell: ({ inFlightBytes }) => bytesText(inFlightBytes), align: "right" },
  { title: "fill", cell: fillOf, align: "right" },
];

const SPLIT_COLUMNS: readonly Column<PoolStatus>[] = [
  { title: "routes", cell: routesText, align: "right" },
  {
    title: "degraded",
    cell: ({ split }) => (split === undefined ? NOTHING : bytesText(split.degradedBytes)),
    align: "right",
  },
];

function poolColumns(pools: readonly PoolStatus[]): readonly Column<PoolStatus>[] {
  return pools.some(({ split }) => split !== undefined) ? [...POOL_COLUMNS, ...SPLIT_COLUMNS] : POOL_COLUMNS;
}

/** "1 of 2", where key is split over disjoint routes. */
export function routesText({ split }: Pick<PoolStatus, "split">): string {
  return split === undefined ? NOTHING : `${split.routes} of ${split.wantedRoutes}`;
}

function fillOf({ keys, targetKeys, lowKeys }: PoolStatus): string {
  if (keys === 0) return "EMPTY";
  if (lowKeys !== undefined && keys < lowKeys) return "LOW";
  return targetKeys === undefined || targetKeys === 0 ? "" : `${Math.floor((100 * keys) / targetKeys)} %`;
}

function countOrNothing(count: number | undefined): string {
  return count === undefined ? NOTHING : countText(count);
}

/** Only accounts that hold something; the last column says whether the sum holds. */
function ledgerColumns(ledger: readonly LedgerLine[]): readonly Column<LedgerLine>[] {
  const used = ACCOUNTS.filter((account) => ledger.some(({ balances }) => balances[account] !== 0));
  return [
    { title: "owner", cell: ({ owner }) => owner },
    { title: "received", cell: ({ balances }) => countText(balances.received), align: "right" },
    ...used.map((account): Column<LedgerLine> => ({
      title: account,
      cell: ({ balances }) => countText(balances[account]),
      align: "right",
    })),
    { title: "sum", cell: sumOf, align: "right" },
  ];
}

function sumOf({ balances }: LedgerLine): string {
  const missing = missingBytes(balances);
  return missing === 0 ? "ok" : `OFF BY ${missing}`;
}

function supplyLine({ requests, keysSupplied, bytesSupplied, refused, shortages }: SupplyTotals): string {
  return (
    `${countText(requests)} requests: ${countText(keysSupplied)} keys (${bytesText(bytesSupplied)}) supplied, ` +
    `${countText(refused)} refused, ${countText(shortages)} for want of key`
  );
}

function storeLine({ stockBytes, diskFreeBytes, epoch }: StoreStatus): string {
  return [
    `${bytesText(stockBytes)} of key`,
    ...(diskFreeBytes === undefined ? [] : [`${bytesText(diskFreeBytes)} of disk free`]),
    ...(epoch === undefined ? [] : [`epoch ${epoch}`]),
  ].join(", ");
}

/** The head as `qkdctl audit verify --noted` takes it. */
function auditLines({ folder, sequence, head }: AuditTrailStatus): readonly string[] {
  return [`${INDENT}${folder}`, `${INDENT}head ${sequence}:${head}`];
}

const CERTIFICATE_COLUMNS: readonly Column<NonNullable<NodeStatus["certificates"]>[number]>[] = [
  { title: "for", cell: ({ use }) => use },
  { title: "subject", cell: ({ subject }) => subject },
  { title: "days left", cell: ({ daysLeft }) => String(Math.floor(daysLeft)), align: "right" },
];
