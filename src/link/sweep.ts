/** What time ends: keys that only one end has, and segments past their expiry. */
import { MINUTE_MS } from "../model/units.ts";
import type { QkdKeyId } from "../model/ids.ts";
import type { LinkParts } from "./link-parts.ts";

/** How far two wall clocks may be apart: the owner stops that much before expiry, the other end keeps that much longer. */
export const SKEW_ALLOWED_MS = MINUTE_MS;

/** @param matched  true for keys that the neighbour is known to have */
export async function sweepLink(parts: LinkParts, matched: (id: QkdKeyId) => boolean): Promise<void> {
  const { stock, clock, limits, selfEnd, log } = parts;
  const now = clock.wall();
  const transaction = stock.vault.transaction();
  const ageMax = limits.unmatchedAgeMaxMs * (selfEnd === "leader" ? 1 : 2);
  const unmatched = [...stock.quarantine.keys()].filter(
    (key) => now - key.chunk.receivedAt > ageMax && !matched(key.id),
  );
  if (unmatched.length > 0) {
    await stock.discardKeys(transaction, unmatched, "discarded");
    log.warn("keys that the neighbour never had were discarded", { keys: unmatched.length });
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
