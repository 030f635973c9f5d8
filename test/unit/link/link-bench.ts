/** One end of a link on a bench: a store in memory, a stock, and a line whose messages are kept for the test to deliver. */
import { createLinkMetrics } from "../../../src/link/link-metrics.ts";
import { LINK_LIMITS, type LinkLimits, type LinkParts } from "../../../src/link/link-parts.ts";
import { LinkStock } from "../../../src/link/link-stock.ts";
import type { LinkEnd } from "../../../src/link/manifest.ts";
import { agreedRecord } from "../../../src/link/proposer.ts";
import type { KeySpan } from "../../../src/link/quarantine.ts";
import { ServiceGuard } from "../../../src/link/service-guard.ts";
import { TroubleLog } from "../../../src/link/trouble-log.ts";
import { linkIdBetween, segmentName, type NodeId, type QkdKeyId, type SegmentName } from "../../../src/model/ids.ts";
import { KeyMaterial } from "../../../src/model/key-material.ts";
import { idsOf, joinedRuns, type QkdKeyRun } from "../../../src/model/qkd-key-runs.ts";
import type { PeerMessage } from "../../../src/peer/peer-messages.ts";
import type { KeyVault } from "../../../src/store/key-vault.ts";
import { createMemoryMetrics, type MemoryMetrics } from "../../fakes/memory-metrics.ts";
import { createRecordingLogger, type RecordingLogger } from "../../fakes/recording-logger.ts";
import { createSeededRandom } from "../../fakes/seeded-random.ts";
import { createMemoryStore, type MemoryStore } from "../store/vault-bench.ts";

export const LINK = linkIdBetween("a" as NodeId, "b" as NodeId);
export const LEDGER = `link/${LINK}`;

export interface LinkEndBench {
  readonly store: MemoryStore;
  readonly vault: KeyVault;
  readonly stock: LinkStock;
  readonly parts: LinkParts;
  readonly log: RecordingLogger;
  readonly metrics: MemoryMetrics;
  /** What was sent and not taken yet. */
  readonly sent: PeerMessage[];
  /** False: there is no session. */
  line: boolean;
  /** How far the neighbour's wall clock is ahead. */
  skewMs: number;
}

/** The leader is "a". With `store`, the next life on an older one. */
export async function openLinkEnd(
  end: LinkEnd,
  options: { readonly limits?: Partial<LinkLimits>; readonly store?: MemoryStore } = {},
): Promise<LinkEndBench> {
  const store = options.store ?? createMemoryStore(`end ${end}`);
  const vault = await store.open();
  const stock = new LinkStock(LINK, vault);
  await stock.recover(end === "leader");
  const log = createRecordingLogger();
  const metrics = createMemoryMetrics();
  const sent: PeerMessage[] = [];
  const [self, neighbour] = end === "leader" ? ["a" as NodeId, "b" as NodeId] : ["b" as NodeId, "a" as NodeId];
  const bench = { store, vault, stock, log, metrics, sent, line: true, skewMs: 0 };
  const parts: LinkParts = {
    link: LINK,
    self,
    neighbour,
    selfEnd: end,
    stock,
    clock: store.clock,
    log,
    metrics: createLinkMetrics(metrics),
    troubles: new TroubleLog(store.clock),
    guards: {
      module: new ServiceGuard(store.clock),
      agreement: new ServiceGuard(store.clock),
      tags: new ServiceGuard(store.clock),
    },
    skewMs: () => bench.skewMs,
    limits: { ...LINK_LIMITS, ...options.limits },
    send: (message) => bench.line && sent.push(message) > 0,
  };
  return Object.assign(bench, { parts });
}

/** QKD-keys as a module gives them: the same at both ends for the same names. */
export function moduleKeys(
  from: number,
  count: number,
  lengthBytes: number,
): { id: QkdKeyId; material: KeyMaterial }[] {
  return Array.from({ length: count }, (_, i) => {
    const id = (from + i).toString(16).padStart(8, "0") as QkdKeyId;
    const material = KeyMaterial.allocate(lengthBytes);
    material.expose((bytes) => createSeededRandom(`qkd key ${id}`).fill(bytes));
    return { id, material };
  });
}

/** Puts keys into quarantine, durably, as one chunk. */
export async function store(end: LinkEndBench, keys: ReturnType<typeof moduleKeys>): Promise<void> {
  const transaction = end.vault.transaction();
  const runs = keys.map(({ id, material }) => ({ first: id, count: 1, keyBytes: material.lengthBytes }));
  const bytes = Uint8Array.from(keys.flatMap(({ material }) => material.expose((key) => [...key])));
  const cut = { runs, parts: [{ from: 0, to: bytes.length }] };
  const chunk = end.stock.sealKeys(transaction, bytes, cut, end.store.clock.wall());
  await end.vault.commit(transaction);
  end.stock.admit(chunk);
}

/** Keys in quarantine, as far as they are there, in the given order. */
export function find({ stock }: LinkEndBench, ids: readonly QkdKeyId[]): KeySpan[] {
  return ids.flatMap((first) => stock.quarantine.find({ first, count: 1 }));
}

/** What lies in quarantine, in the order in which it came. */
export function heldIds({ stock }: LinkEndBench): QkdKeyId[] {
  return [...idsOf([...stock.quarantine.chunks()].flatMap(({ keys }) => keys))];
}

export function heldRuns({ stock }: LinkEndBench): QkdKeyRun[] {
  return joinedRuns([...stock.quarantine.chunks()].flatMap(({ keys }) => keys));
}

/** A segment that both ends hold as agreed. */
export async function agree(
  ends: readonly LinkEndBench[],
  about: {
    readonly number: number;
    readonly owner: LinkEnd;
    readonly lengthBytes: number;
    readonly lifetimeMs?: number;
  },
): Promise<SegmentName> {
  const name = segmentName(1, about.number);
  for (const end of ends) {
    const keys = moduleKeys(0x10_0000 * about.number, 1, about.lengthBytes);
    await store(end, keys);
    const transaction = end.vault.transaction();
    const ids = keys.map(({ id }) => id);
    const chunks = (await end.stock.takeKeys(transaction, find(end, ids)))!;
    const { owner, lengthBytes } = about;
    const expiresAt = end.store.clock.wall() + (about.lifetimeMs ?? 86_400_000);
    const record = { phase: "agreed", owner, lengthBytes, expiresAt, chunks, manifest: "", tag: "" } as const;
    end.stock.putSegment(transaction, name, agreedRecord(record, "00"));
    await end.vault.commit(transaction);
  }
  return name;
}

/** Lets everything that waits for no clock come to its end. */
export async function quiet(): Promise<void> {
  for (let turn = 0; turn < 40; turn++) await new Promise((done) => setImmediate(done));
}
