/** What follows when a neighbour proves that our disk went back in time: an alarm, and everything on it is burned, once. */
import type { LinkId } from "../model/ids.ts";
import type { AuditTrail } from "../runtime/audit-trail.ts";
import type { Logger } from "../runtime/logger.ts";

export interface StoreRollbackParts {
  readonly log: Logger;
  readonly audit: AuditTrail;
  /** All that the disk holds may have been used already. */
  readonly burnAll: () => Promise<void>;
}

export class StoreRollback {
  readonly #parts: StoreRollbackParts;
  readonly #alarms: string[] = [];
  #burning: Promise<void> | undefined;

  constructor(parts: StoreRollbackParts) {
    this.#parts = parts;
  }

  alarms(): readonly string[] {
    return this.#alarms;
  }

  /** Resolves when all is burned: whichever link found it, none goes on before. */
  async found(link: LinkId, seen: { readonly journalSeen: number; readonly journalOnDisk: number }): Promise<void> {
    const { log, audit, burnAll } = this.#parts;
    if (this.#burning === undefined) {
      const { journalSeen, journalOnDisk } = seen;
      this.#alarms.push(
        `rollback: the store is an older copy of itself (${link} remembers write ${journalSeen}, the disk ended at ${journalOnDisk}): all stock was burned`,
      );
      log.error("rollback of the store", { link, ...seen });
      audit.record({ event: "rollback", link, ...seen });
    }
    this.#burning ??= burnAll();
    await this.#burning;
  }
}
