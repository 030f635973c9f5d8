/** The audit trail of a daemon: takes events at once, writes them in groups, and flushes each group to the disk. */
import { QkdError, sentenceOf } from "../model/errors.ts";
import { KIB } from "../model/units.ts";
import type { AuditEntry, AuditTrail } from "../runtime/audit-trail.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import type { MetricsRegistry } from "../runtime/metrics.ts";
import type { Scope } from "../runtime/scope.ts";
import type { ChainPosition } from "./audit-chain.ts";
import { AuditFolder, type TimedEntry } from "./audit-folder.ts";
import { createAuditMetrics, type AuditMetrics } from "./audit-metrics.ts";

/** An event is durable after this and the time of one flush, unless the disk is slower than that. */
const GROUP_MS = 400;
const RETRY_MS = 1_000;
/** A group is written at once when so much waits. */
const GROUP_BYTES = 256 * KIB;
const WAITING_BYTES_MAX = 16 * KIB ** 2;
const ENTRY_BYTES = 400;
const ID_BYTES = 40;

export interface AuditFileParts {
  readonly folder: string;
  readonly fileBytesMax: number;
  readonly onFailure: "continue" | "stop-supply";
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
}

export interface AuditStatus {
  readonly folder: string;
  /** Of the last durable line, and its SHA-256: whoever notes both can tell later whether the end was cut off. */
  readonly sequence: number;
  readonly head: string;
  /** Why nothing can be written now. */
  readonly trouble: string | undefined;
}

export interface AuditFileTrail extends AuditTrail {
  status(): AuditStatus;
  /** Until everything taken so far is durable, or cannot be. */
  flush(): Promise<void>;
}

/**
 * Opens the trail, closes what a crash has torn, and marks the gap. `scope` closes it, after a last line "stop".
 *
 * A trail that cannot be written while the node runs is a trouble and no end: see `onFailure`.
 *
 * @throws QkdError CONFIG_INVALID  the folder cannot be used
 */
export async function openAuditFileTrail(parts: AuditFileParts, scope: Scope): Promise<AuditFileTrail> {
  const trail = new FileTrail(parts);
  await trail.begin();
  scope.defer("audit trail", () => trail.close());
  return trail;
}

class FileTrail implements AuditFileTrail {
  readonly #parts: AuditFileParts;
  readonly #metrics: AuditMetrics;
  readonly #waiting: TimedEntry[] = [];
  #waitingBytes = 0;
  #lost = 0;
  #folder: AuditFolder | undefined;
  #position: ChainPosition = { sequence: 0, head: "" };
  /** Where the chain was when the group was begun that is being written, or that failed. */
  #underWay: ChainPosition | undefined;
  #trouble: string | undefined;
  #writing: Promise<void> | undefined;
  #cancelTimer: (() => void) | undefined;

  constructor(parts: AuditFileParts) {
    this.#parts = parts;
    this.#metrics = createAuditMetrics(parts.metrics);
    this.#metrics.lost.add({}, 0);
    this.#metrics.failing.set({}, 0);
  }

  async begin(): Promise<void> {
    const { folder, fileBytesMax } = this.#parts;
    try {
      this.#folder = await AuditFolder.open(folder, fileBytesMax);
      await this.#folder.closeTorn(this.#now());
    } catch (failure) {
      const sentence = `the audit trail in ${folder} cannot be opened: ${sentenceOf(failure)}`;
      throw new QkdError("CONFIG_INVALID", sentence, { field: "audit.folder" }, failure);
    }
    this.#position = this.#folder.position;
    if (!this.#folder.endedInOrder) this.#take({ event: "gap", reason: "the process before did not stop in order" });
  }

  record(entry: AuditEntry): void {
    this.#metrics.records.add({ type: entry.event });
    this.#take(entry);
  }

  supplyStop(): string | undefined {
    if (this.#parts.onFailure === "continue") return undefined;
    if (this.#trouble !== undefined) return `the audit trail cannot be written: ${this.#trouble}`;
    return this.#waitingBytes > WAITING_BYTES_MAX ? "the audit trail is written too slowly" : undefined;
  }

  status(): AuditStatus {
    return { folder: this.#parts.folder, ...this.#position, trouble: this.#trouble };
  }

  async flush(): Promise<void> {
    await this.#writing;
    await this.#write();
  }

  async close(): Promise<void> {
    this.record({ event: "stop", reason: "asked to end" });
    await this.flush();
    this.#cancelTimer?.();
    await this.#folder?.close().catch(() => undefined);
    const { sequence, head } = this.#position;
    this.#parts.log.info("audit trail closed", { sequence, head });
  }

  #now(): string {
    return new Date(this.#parts.clock.wall()).toISOString();
  }

  #take(entry: Readonly<Record<string, unknown>> & { readonly event: string }): void {
    const bytes = bytesOf(entry);
    if (this.#waitingBytes + bytes > WAITING_BYTES_MAX) {
      this.#lost += 1;
      this.#metrics.lost.add({});
      return;
    }
    this.#waiting.push({ time: this.#now(), entry });
    this.#waitingBytes += bytes;
    if (this.#trouble !== undefined) return; // it is tried again in its own time
    if (this.#waitingBytes > GROUP_BYTES) void this.#write();
    else this.#writeAfter(GROUP_MS);
  }

  #writeAfter(ms: number): void {
    this.#cancelTimer ??= this.#parts.clock.after(ms, () => {
      this.#cancelTimer = undefined;
      void this.#write();
    });
  }

  /** One group after the other. Never throws. */
  #write(): Promise<void> {
    this.#writing ??= this.#writeAll().finally(() => (this.#writing = undefined));
    return this.#writing;
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0 || this.#lost > 0) {
      try {
        const folder = (this.#folder ??= await this.#lookAnew());
        const lost = this.#lost;
        const noted = lost > 0 ? [{ time: this.#now(), entry: { event: "lost", events: lost } }] : [];
        const group = [...this.#waiting];
        this.#underWay = folder.position;
        await folder.append([...group, ...noted]);
        this.#underWay = undefined;
        this.#lost -= lost;
        this.#dropWritten(group.length);
        this.#written(folder.position);
      } catch (failure) {
        return this.#failed(failure);
      }
    }
  }

  /** After a failure: of the group that was under way some lines may be on the disk. */
  async #lookAnew(): Promise<AuditFolder> {
    const folder = await AuditFolder.open(this.#parts.folder, this.#parts.fileBytesMax);
    if (this.#underWay !== undefined) this.#dropWritten(folder.position.sequence - this.#underWay.sequence);
    this.#underWay = undefined;
    try {
      await folder.closeTorn(this.#now());
      return folder;
    } catch (failure) {
      await folder.close();
      throw failure;
    }
  }

  #dropWritten(count: number): void {
    for (const { entry } of this.#waiting.splice(0, count)) this.#waitingBytes -= bytesOf(entry);
  }

  #written(position: ChainPosition): void {
    this.#position = position;
    this.#metrics.sequence.set({}, position.sequence);
    if (this.#trouble === undefined) return;
    this.#trouble = undefined;
    this.#metrics.failing.set({}, 0);
    this.#parts.log.warn("the audit trail is written again", { sequence: position.sequence });
  }

  async #failed(failure: unknown): Promise<void> {
    if (this.#trouble === undefined) {
      const onFailure = this.#parts.onFailure;
      this.#parts.log.error("the audit trail cannot be written", { reason: sentenceOf(failure), onFailure });
    }
    this.#trouble = sentenceOf(failure);
    this.#metrics.failing.set({}, 1);
    await this.#folder?.close().catch(() => undefined);
    this.#folder = undefined; // what is on disk now, only a new look can tell
    this.#writeAfter(RETRY_MS);
  }
}

function bytesOf(entry: Readonly<Record<string, unknown>>): number {
  const { ids } = entry;
  return ENTRY_BYTES + (Array.isArray(ids) ? ID_BYTES * ids.length : 0);
}
