/** What a node tells its operator: everything that somebody woken at night asks first. No key, no key id. */
import type { QkdModuleStatus } from "../../driver/qkd-driver.ts";
import type { KeyClass, LinkId, NodeId } from "../../model/ids.ts";
import type { WallMs } from "../../runtime/clock.ts";
import type { MapStatus } from "./map-status.ts";
import type { PlanStatus } from "./plan-status.ts";
import type { WhenTooFewRoutes } from "../../relay/split-policy.ts";
import { ACCOUNTS, type Balances, type LedgerOwner } from "../../store/ledger.ts";

export interface HealthReport {
  /** False: the process should be restarted. */
  readonly live: boolean;
  /** False: send no SAE here now. */
  readonly ready: boolean;
  /** Why it is not live or not ready, as sentences. */
  readonly reasons: readonly string[];
}

export interface NodeStatus {
  readonly node: NodeId;
  readonly version: string;
  readonly uptimeMs: number;
  readonly health: HealthReport;
  /** An operator takes it out of service: it serves what it has, and takes part in nothing else. */
  readonly draining?: boolean;
  readonly store: StoreStatus;
  readonly links: readonly LinkStatus[];
  readonly pools: readonly PoolStatus[];
  /** The whole network, as this node knows it. */
  readonly map: MapStatus;
  readonly ledger: readonly LedgerLine[];
  readonly supply: SupplyTotals;
  readonly audit?: AuditTrailStatus;
  readonly certificates?: readonly CertificateStatus[];
  /** What is wrong with the wall clock; the node serves all the same. */
  readonly clockTroubles?: readonly string[];
  /** Why certificates that lie in the files now are not used. */
  readonly certificateTrouble?: string | undefined;
}

export interface StoreStatus {
  /** Proven key on this disk, of links and pools. */
  readonly stockBytes: number;
  readonly diskFreeBytes?: number;
  /** Grows with each start; segments are named after it. */
  readonly epoch?: number;
  /** "rollback detected", "disk full: intake stopped". */
  readonly troubles: readonly string[];
}

export interface LinkStatus {
  readonly id: LinkId;
  readonly neighbour: NodeId;
  /** Whether the two nodes talk about this link now. */
  readonly session: "up" | "down";
  readonly module: ModuleStatus;
  readonly stockBytes: LinkStock;
  /** All that it may hold is there: its module waits until some is spent. */
  readonly stockIsFull: boolean;
  readonly troubles: readonly string[];
}

export interface LinkStock {
  /** Not yet proven equal at both ends. */
  readonly quarantine: number;
  /** Ours to use as pads. */
  readonly outbound: number;
  /** The neighbour's to use. */
  readonly inbound: number;
  /** In memory, erased from disk. */
  readonly open: number;
}

/** Vendor, model and serial number are missing while the module has not said who it is. */
export interface ModuleStatus extends Omit<QkdModuleStatus, "state"> {
  readonly state: QkdModuleStatus["state"] | "absent";
  readonly vendor?: string;
  readonly model?: string;
  readonly serialNumber?: string;
}

export interface PoolStatus {
  readonly remote: NodeId;
  /** "outbound": we allocate from it. "inbound": the remote node does, and we look keys up. */
  readonly direction: "outbound" | "inbound";
  readonly keyClass: KeyClass;
  readonly stockBytes: number;
  /** Whole keys of the default size. */
  readonly keys: number;
  /** What the planner wants to hold, and below what it hurries; only where we fill the pool. */
  readonly targetKeys?: number;
  readonly lowKeys?: number;
  /** Ordered and not arrived yet. */
  readonly inFlightBytes: number;
  /** Requests since this start that found it too short: a relay would have been in time, or the links had no pad. */
  readonly misses?: { readonly latency: number; readonly supply: number };
  /** Only where its key comes in shares over disjoint routes. */
  readonly split?: SplitStatus;
  /** How, and why; only where we fill the pool. */
  readonly plan?: PlanStatus;
}

export interface SplitStatus {
  /** Disjoint routes that the policy asks for, and those that are there now. */
  readonly wantedRoutes: number;
  readonly routes: number;
  readonly whenTooFewRoutes: WhenTooFewRoutes;
  /** Of the stock, what came by fewer routes than wanted. */
  readonly degradedBytes: number;
}

export interface LedgerLine {
  readonly owner: LedgerOwner;
  readonly balances: Balances;
}

/** Since this start. */
export interface SupplyTotals {
  readonly requests: number;
  readonly keysSupplied: number;
  readonly bytesSupplied: number;
  /** The SAE's fault: wrong id, no right, malformed. */
  readonly refused: number;
  /** Too little stock. */
  readonly shortages: number;
}

export interface AuditTrailStatus {
  readonly folder: string;
  /** Of the last durable line, and its SHA-256: noted elsewhere, they prove later that nothing was cut off. */
  readonly sequence: number;
  readonly head: string;
  /** Why nothing can be written now. */
  readonly trouble?: string | undefined;
}

export interface CertificateStatus {
  /** What our own is shown for, "SAEs" or "peers"; or whose it is: "peer bonn". */
  readonly use: string;
  readonly subject: string;
  readonly notAfter: WallMs;
  readonly daysLeft: number;
}

const CERTIFICATE_DAYS_MIN = 7;

/** What an alarm is about, and how severe that is (severities of ETSI GS QKD 015). */
export const ALARM_TYPES = {
  node: "MAJOR",
  store: "MAJOR",
  session: "MAJOR",
  module: "MAJOR",
  link: "MINOR",
  ledger: "MAJOR",
  certificate: "MAJOR",
  audit: "MAJOR",
  pool: "MAJOR",
  clock: "MAJOR",
} as const;
export type AlarmType = keyof typeof ALARM_TYPES;

export interface Alarm {
  readonly type: AlarmType;
  readonly sentence: string;
}

/** What somebody should look at; nothing while all is well. Low pools are not among it: they refill. */
export function alarmsOf(status: NodeStatus): readonly Alarm[] {
  const alarms = (type: AlarmType, sentences: readonly string[]): readonly Alarm[] =>
    sentences.map((sentence) => ({ type, sentence }));
  const unbalanced = status.ledger.filter(({ balances }) => missingBytes(balances) !== 0);
  const ending = (status.certificates ?? []).filter(({ daysLeft }) => daysLeft < CERTIFICATE_DAYS_MIN);
  return [
    ...alarms("node", status.health.reasons),
    ...alarms(
      "store",
      status.store.troubles.map((trouble) => `store: ${trouble}`),
    ),
    ...alarms("clock", status.clockTroubles ?? []),
    ...status.links.flatMap(alarmsOfLink),
    ...alarms(
      "ledger",
      unbalanced.map(({ owner, balances }) => `the ledger of ${owner} is off by ${missingBytes(balances)} bytes`),
    ),
    ...alarms("audit", auditTroubles(status)),
    ...alarms("certificate", refusedCertificates(status)),
    ...alarms("certificate", ending.map(certificateSentence)),
    ...alarms("pool", status.pools.flatMap(refusalSentence)),
  ];
}

/** The same as one sentence each. */
export function troublesOf(status: NodeStatus): readonly string[] {
  return alarmsOf(status).map(({ sentence }) => sentence);
}

const auditTroubles = ({ audit }: NodeStatus): readonly string[] =>
  audit?.trouble === undefined ? [] : [`the audit trail cannot be written: ${audit.trouble}`];

function refusalSentence({ remote, direction, keyClass, split }: PoolStatus): readonly string[] {
  if (direction === "inbound" || split?.whenTooFewRoutes !== "refuse") return [];
  if (split.routes >= split.wantedRoutes) return [];
  const routes = `${split.routes} of ${split.wantedRoutes} disjoint routes`;
  return [`pool for ${remote}, ${keyClass}: nothing is relayed: ${routes} are there`];
}

const refusedCertificates = ({ certificateTrouble: trouble }: NodeStatus): readonly string[] =>
  trouble === undefined ? [] : [`new certificates are not used: ${trouble}`];

const certificateSentence = ({ use, daysLeft }: CertificateStatus): string =>
  `certificate for ${use}: ${daysLeft < 0 ? "expired" : `expires in ${Math.floor(daysLeft)} days`}`;

/** Received minus all accounts: 0, or bytes of key went where nobody knows. */
export function missingBytes(balances: Balances): number {
  return ACCOUNTS.reduce((rest, account) => rest - balances[account], balances.received);
}

function alarmsOfLink({ neighbour, session, module, troubles }: LinkStatus): readonly Alarm[] {
  const why = module.reason === undefined ? "" : `: ${module.reason}`;
  const alarm = (type: AlarmType, trouble: string): Alarm => ({ type, sentence: `link to ${neighbour}: ${trouble}` });
  const moduleFails = module.state === "faulty" || module.state === "absent";
  return [
    ...(session === "down" ? [alarm("session", "no session with the neighbour")] : []),
    ...(moduleFails ? [alarm("module", `the module is ${module.state}${why}`)] : []),
    ...troubles.map((trouble) => alarm("link", trouble)),
  ];
}
