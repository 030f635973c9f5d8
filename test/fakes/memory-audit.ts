/** An audit trail that tests and worlds can read. */
import type { AuditEntry, AuditTrail } from "../../src/runtime/audit-trail.ts";

/** A world runs for days: the newest are enough. */
const ENTRIES_MAX = 10_000;

export interface MemoryAudit extends AuditTrail {
  /** The oldest first. */
  readonly entries: readonly AuditEntry[];
  /** As a disk that is full, where the operator wants no key supplied unseen. */
  stopSupply(reason: string | undefined): void;
}

export function createMemoryAudit(): MemoryAudit {
  const entries: AuditEntry[] = [];
  let stop: string | undefined;
  return {
    entries,
    record(entry) {
      entries.push(entry);
      if (entries.length > ENTRIES_MAX) entries.splice(0, ENTRIES_MAX / 2);
    },
    supplyStop: () => stop,
    stopSupply: (reason) => void (stop = reason),
  };
}
