/** Tells the audit trail of key that was given up: what the ledger says has expired, was discarded or was burned. */
import type { AuditTrail } from "../runtime/audit-trail.ts";
import type { Account, Balances, Ledger, LedgerOwner } from "../store/ledger.ts";

const LOSSES = ["expired", "discarded", "burned", "burnedOpen"] as const satisfies readonly Account[];

export class LossAudit {
  readonly #ledger: Ledger;
  readonly #audit: AuditTrail;
  readonly #told = new Map<LedgerOwner, Balances>();

  /** From the balances of this moment on. */
  constructor(ledger: Ledger, audit: AuditTrail) {
    this.#ledger = ledger;
    this.#audit = audit;
    for (const owner of ledger.owners()) this.#told.set(owner, ledger.balances(owner));
  }

  /** One line for each link and pool that has lost key since the last look. */
  look(): void {
    for (const owner of this.#ledger.owners()) {
      const now = this.#ledger.balances(owner);
      const before = this.#told.get(owner);
      const since = (account: (typeof LOSSES)[number]): number => now[account] - (before?.[account] ?? 0);
      if (LOSSES.every((account) => since(account) === 0)) continue;
      this.#told.set(owner, now);
      const [expired, discarded, burned] = [since("expired"), since("discarded"), since("burned")];
      this.#audit.record({ event: "key-lost", owner, expired, discarded, burned, burnedOpen: since("burnedOpen") });
    }
  }
}
