/**
 * Marks: what a neighbour remembers of our store, so that a store restored from an older copy is found out.
 *
 * A mark says "store, epoch, journal number" under a MAC that only that store can make. Neighbours keep the newest and give
 * it back verbatim. One of ours that is ahead of our own disk proves that the disk was rolled back; nothing else does.
 *
 *  version u8 | store id 16 | epoch u32 | journal number u64 | MAC 16
 */
import { ByteReader, ByteWriter } from "../model/byte-layout.ts";
import type { KeyVault } from "../store/key-vault.ts";

const VERSION = 1;
const COVERED_BYTES = 29;

export function makeMark(vault: KeyVault): Uint8Array {
  const covered = new ByteWriter(32).u8(VERSION).hex(vault.storeId).u32(vault.epoch).u64(vault.journal).finish();
  return new ByteWriter(64)
    .bytes(covered)
    .bytes(vault.markMac.of([covered]))
    .finish();
}

export type MarkJudgement =
  | { readonly kind: "none" }
  | { readonly kind: "consistent" }
  /** Not made by this store: of an earlier store of ours, or invented. Says nothing about our disk. */
  | { readonly kind: "not-ours" }
  /** Our own, of a life that our disk does not know, or ahead of where that life ended on it: an older copy. */
  | { readonly kind: "rolled-back"; readonly journalSeen: number; readonly journalOnDisk: number };

/** Judges a mark of ours that a neighbour gives back. */
export function judgeMark(vault: KeyVault, mark: Uint8Array): MarkJudgement {
  if (mark.length === 0) return { kind: "none" };
  const covered = mark.subarray(0, COVERED_BYTES);
  if (mark.length <= COVERED_BYTES || !vault.markMac.verifies([covered], mark.subarray(COVERED_BYTES))) {
    return { kind: "not-ours" };
  }
  const reader = new ByteReader(covered, "mark");
  reader.u8();
  if (reader.hex(16) !== vault.storeId) return { kind: "not-ours" };
  const epoch = reader.u32();
  const journalSeen = reader.u64();
  const journalOnDisk = vault.journalOf(epoch);
  if (journalOnDisk !== undefined && journalSeen <= journalOnDisk) return { kind: "consistent" };
  return { kind: "rolled-back", journalSeen, journalOnDisk: journalOnDisk ?? vault.journalAtStart };
}
