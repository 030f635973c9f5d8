/** Stock of links and pools that the configuration does not name any more: kept, or burned where the operator says so. */
import { linkLedger } from "../link/link-records.ts";
import type { LinkId } from "../model/ids.ts";
import type { KeyVault } from "../store/key-vault.ts";
import type { ChunkName } from "../store/key-bag.ts";
import type { LedgerOwner } from "../store/ledger.ts";
import type { RecordValue } from "../store/store-record.ts";
import type { Logger } from "../runtime/logger.ts";

/** The rooms that there are. */
interface Configured {
  readonly links: readonly { readonly id: LinkId }[];
  readonly pools: Record<"outbound" | "inbound", readonly { readonly ledger: LedgerOwner }[]>;
}

/**
 * Call it after all rooms have taken up what is theirs, and before the data keys that nobody claims are destroyed.
 *
 * @returns for each other owner that has stock a sentence for the operator; none for what was burned
 */
export async function settleRemovedStock(
  { vault, log }: { readonly vault: KeyVault; readonly log: Logger },
  { links, pools }: Configured,
  { discard }: { readonly discard: boolean },
): Promise<readonly string[]> {
  const sentences: string[] = [];
  const ofPools = [...pools.outbound, ...pools.inbound].map(({ ledger }) => ledger);
  const configured = new Set([...links.map(({ id }) => linkLedger(id)), ...ofPools]);
  for (const owner of vault.ledger.owners().filter((name) => !configured.has(name))) {
    const { quarantine, stock } = vault.ledger.balances(owner);
    const records = await vault.records(`${owner}/`);
    const chunks = records.flatMap(([, value]) => chunksIn(value)).filter((chunk) => vault.claim(chunk));
    if (chunks.length === 0) continue;
    const facts = { owner, stockBytes: stock, quarantineBytes: quarantine };
    if (discard) {
      await burn(vault, owner, records, chunks);
      log.warn("stock that the configuration does not name was burned, as store.discardRemoved says", facts);
    } else {
      const remedy = "name it again, or set store.discardRemoved";
      log.warn("stock that the configuration does not name is kept", { ...facts, remedy });
      sentences.push(
        `${owner} is not in the configuration; its ${stock + quarantine} bytes of key are kept: ${remedy}`,
      );
    }
  }
  return sentences;
}

/** How far openings went stays known: the link may come back. */
async function burn(
  vault: KeyVault,
  owner: LedgerOwner,
  records: readonly (readonly [name: string, value: RecordValue])[],
  chunks: readonly ChunkName[],
): Promise<void> {
  const transaction = vault.transaction().destroy(chunks);
  for (const [name, value] of records) {
    if (chunksIn(value).length > 0 || name.startsWith(`${owner}/used/`)) transaction.delete(name);
  }
  const { quarantine, stock, open } = vault.ledger.balances(owner);
  transaction.move({ owner, from: "quarantine", to: "burned", bytes: quarantine });
  transaction.move({ owner, from: "stock", to: "burned", bytes: stock });
  transaction.move({ owner, from: "open", to: "burnedOpen", bytes: open });
  await vault.commit(transaction);
}

/** What a record names in fields `chunk`, however deep. */
function chunksIn(value: RecordValue | undefined): ChunkName[] {
  if (typeof value !== "object" || value === null) return [];
  if (Array.isArray(value)) return (value as readonly RecordValue[]).flatMap(chunksIn);
  return Object.entries(value as Readonly<Record<string, RecordValue>>).flatMap(([field, inner]) =>
    field === "chunk" && typeof inner === "string" ? [inner as ChunkName] : chunksIn(inner),
  );
}
