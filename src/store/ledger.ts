/** Where every byte of key went: one set of accounts for each link and each pool, in bytes, always adding up. */
import { assert } from "../model/assert.ts";

/**
 * Accounts. `received` is the sum of all others:
 * quarantine: not yet proven equal · stock: proven, not opened · open: in memory, erased from disk · pads, tags, proofs,
 * supplied: used · tails: rests of open segments too short to use · expired, discarded (never proven equal), burned: lost
 * on purpose · burnedOpen: was open at a crash; how much of it was used before is not known.
 */
export const ACCOUNTS = [
  "quarantine",
  "stock",
  "open",
  "pads",
  "tags",
  "proofs",
  "supplied",
  "tails",
  "expired",
  "discarded",
  "burned",
  "burnedOpen",
] as const;
export type Account = (typeof ACCOUNTS)[number];

/** A link ("link/a--b") or a pool ("outbound/c/default"). */
export type LedgerOwner = string;

export interface LedgerMove {
  readonly owner: LedgerOwner;
  readonly from: Account | "received";
  readonly to: Account;
  readonly bytes: number;
}

export type Balances = Readonly<Record<Account, number>> & { readonly received: number };

export class Ledger {
  readonly #books = new Map<LedgerOwner, Record<Account, number> & { received: number }>();
  readonly #changed = new Set<LedgerOwner>();

  /** @throws BrokenInvariant when the account has less than is moved */
  move({ owner, from, to, bytes }: LedgerMove): void {
    if (bytes === 0) return;
    assert(bytes > 0 && Number.isSafeInteger(bytes), `a ledger moves whole bytes, not ${bytes}`);
    const book = this.#book(owner);
    if (from === "received") book.received += bytes;
    else {
      assert(book[from] >= bytes, `${owner}: ${from} holds ${book[from]} bytes, ${bytes} were to move to ${to}`);
      book[from] -= bytes;
    }
    book[to] += bytes;
    this.#changed.add(owner);
  }

  balances(owner: LedgerOwner): Balances {
    return { ...this.#book(owner) };
  }

  owners(): readonly LedgerOwner[] {
    return [...this.#books.keys()].sort();
  }

  /** received minus the sum of all accounts: 0 at every moment. */
  imbalance(owner: LedgerOwner): number {
    const book = this.#book(owner);
    return ACCOUNTS.reduce((rest, account) => rest - book[account], book.received);
  }

  restore(owner: LedgerOwner, balances: Partial<Balances>): void {
    Object.assign(this.#book(owner), balances);
    assert(this.imbalance(owner) === 0, `the ledger of ${owner} does not add up`);
  }

  /** Owners whose balances changed since this was last asked. */
  takeChanged(): readonly LedgerOwner[] {
    const changed = [...this.#changed];
    this.#changed.clear();
    return changed;
  }

  #book(owner: LedgerOwner): Record<Account, number> & { received: number } {
    let book = this.#books.get(owner);
    if (book === undefined) {
      book = { received: 0, ...(Object.fromEntries(ACCOUNTS.map((name) => [name, 0])) as Record<Account, number>) };
      this.#books.set(owner, book);
    }
    return book;
  }
}
