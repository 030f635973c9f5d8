/** Judges the keys that a module gave, and puts those that are fit into quarantine. */
import { countOf, type QkdKeyRunOfLength } from "../model/qkd-key-runs.ts";
import { BITS_PER_BYTE } from "../model/units.ts";
import { QKD_KEY_BYTES_MAX, type QkdKeyBatch } from "../driver/qkd-driver.ts";
import { cutIntoChunks } from "./chunk-borders.ts";
import { partOfPiece, withoutFaults, type HealthFault, type KeyHealth, type KeyPiece } from "./key-health.ts";
import { PRINT_BYTES } from "./key-prints.ts";
import type { LinkParts } from "./link-parts.ts";
import type { ChunkRecord } from "./link-records.ts";
import { bytesIn } from "./quarantine.ts";

export interface KeyIntakeParts {
  readonly link: LinkParts;
  readonly health: KeyHealth;
  readonly onStored: (chunks: readonly ChunkRecord[]) => void;
}

/** Keys of a batch, by whether their ids were there before. */
interface Sorted {
  readonly fresh: readonly KeyPiece[];
  /** Whose ids came before in this life of the process. */
  readonly again: readonly KeyPiece[];
}

/**
 * Durable when it resolves; the material is erased in any case. Keys that are not fit are discarded, and are in no chunk. Of a
 * module that is out of service none is fit: it is read on all the same, so that on trial it gives what it makes then.
 */
export async function storeKeys(parts: KeyIntakeParts, { runs, last, material }: QkdKeyBatch): Promise<void> {
  const { stock, clock, log, limits } = parts.link;
  try {
    const faults = material.expose((bytes) => parts.health.judge(bytes, runs));
    const sorted = sortedById(parts, runs);
    const isOut = parts.link.guards.module.out !== undefined;
    const fit = isOut ? [] : sorted.fresh.flatMap((piece) => [...withoutFaults(piece, faults)]);
    const transaction = stock.vault.transaction();
    const receivedAt = clock.wall();
    const chunks = material.expose((bytes) =>
      cutIntoChunks(fit, limits.segmentBytes).map((cut) => stock.sealKeys(transaction, bytes, cut, receivedAt)),
    );
    const unfitBytes = bytesIn(sorted.fresh) - bytesIn(fit);
    transaction.move({ owner: stock.ledger, from: "received", to: "discarded", bytes: unfitBytes });
    stock.setState(transaction, { lastModuleKey: last });
    await stock.vault.commit(transaction);
    const refused = countOf(runs) - countOf(sorted.fresh);
    if (refused > 0) log.warn("keys refused", { keys: refused });
    noteHealth(parts, sorted, faults);
    if (chunks.length > 0) parts.onStored(chunks);
  } finally {
    material.erase();
  }
}

/** Tells what was unfit, and counts the batch for or against the module. */
function noteHealth({ link: parts }: KeyIntakeParts, sorted: Sorted, faults: ReadonlyMap<number, HealthFault>): void {
  const { link, metrics, troubles, log, guards } = parts;
  const unfit = new Map<HealthFault, number>();
  const count = (fault: HealthFault, keyBytes: number): void => {
    unfit.set(fault, (unfit.get(fault) ?? 0) + 1);
    metrics.unfitBits.add({ link, reason: fault }, keyBytes * BITS_PER_BYTE);
  };
  for (const piece of faults.size > 0 ? sorted.fresh : []) {
    for (const offset of offsetsOf(piece)) if (faults.has(offset)) count(faults.get(offset)!, piece.keyBytes);
  }
  // a key that is given again because its receipt was not heard has the bytes that it had; another under its id is a fault
  for (const piece of sorted.again) {
    if (piece.keyBytes < PRINT_BYTES) continue; // it has no print
    for (const offset of offsetsOf(piece)) if (!faults.has(offset)) count("id-repeated", piece.keyBytes);
  }
  if (unfit.size === 0) return sorted.fresh.length > 0 ? guards.module.good() : undefined;
  if (guards.module.out !== undefined) return; // known
  const counts = [...unfit].map(([fault, keys]) => `${keys} ${fault}`).join(", ");
  log.error("QKD-keys unfit for use: discarded", Object.fromEntries(unfit));
  troubles.happened(`the module gave unfit key (${counts}): discarded`);
  if (guards.module.failed(`the module gives unfit key: ${counts}`)) {
    log.error("module out of service", { reason: guards.module.out!.reason });
  }
}

function* offsetsOf({ offsetBytes, count, keyBytes }: KeyPiece): Generator<number> {
  for (let i = 0; i < count; i++) yield offsetBytes + i * keyBytes;
}

/** Keys of a length that a segment can hold. Those that are in quarantine or in a proposal already are in neither list. */
function sortedById({ link: { stock }, health }: KeyIntakeParts, runs: readonly QkdKeyRunOfLength[]): Sorted {
  const fresh: KeyPiece[] = [];
  const again: KeyPiece[] = [];
  let runAt = 0;
  for (const run of runs) {
    const { keyBytes } = run;
    const piece = { ...run, offsetBytes: runAt };
    runAt += run.count * keyBytes;
    if (keyBytes === 0 || keyBytes > QKD_KEY_BYTES_MAX) continue;
    const ids = health.sortIds(run);
    again.push(...ids.again.map((part) => partOfPiece(piece, part)));
    for (const part of ids.fresh) {
      for (const unknown of stock.unknown({ ...part, keyBytes })) fresh.push(partOfPiece(piece, unknown));
    }
  }
  return { fresh, again };
}
