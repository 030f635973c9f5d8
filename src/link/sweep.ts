/** What time ends: keys that only one end has, and segments past their expiry. */
import { MINUTE_MS } from "../model/units.ts";
import type { IdRanges } from "../model/id-ranges.ts";
import { countOf } from "../model/qkd-key-runs.ts";
import type { LinkParts } from "./link-parts.ts";
import { partAt, spansOf } from "./quarantine.ts";

/** How far two wall clocks may be apart: the owner stops that much before expiry, the other end keeps that much longer. */
export const SKEW_ALLOWED_MS = MINUTE_MS;

/** @param matched  keys that the neighbour is known to have */
export async function sweepLink(parts: LinkParts, matched: IdRanges<unknown>): Promise<void> {
  const { stock, clock, limits, selfEnd, log, troubles, neighbour } = parts;
  const now = clock.wall();
  const transaction = stock.vault.transaction();
  const ageMax = limits.unmatchedAgeMaxMs * (selfEnd === "leader" ? 1 : 2);
  const unmatched = [...stock.quarantine.chunks()]
    .filter(({ receivedAt }) => now - receivedAt > ageMax)
    .flatMap((chunk) => spansOf(chunk).flatMap((span) => matched.gaps(span).map((gap) => partAt(span, gap))));
  if (unmatched.length > 0) {
    await stock.discardKeys(transaction, unmatched, "discarded");
    const keys = countOf(unmatched);
    log.warn("keys that the neighbour never had were discarded", { keys });
    troubles.happened(`${keys} ${keys === 1 ? "QKD-key" : "QKD-keys"} that ${neighbour} never had: discarded`);
  }
  for (const [name, record] of stock.segments()) {
    if (record.phase !== "agreed") continue;
    const ours = record.owner === selfEnd;
    if (now > record.expiresAt + (ours ? -SKEW_ALLOWED_MS : SKEW_ALLOWED_MS)) {
      stock.destroySegment(transaction, name, "expired");
    }
  }
  if (transaction.operations.length > 0) await stock.vault.commit(transaction);
}
