/**
 * The second part of the sealing key, one for each wrap epoch, in a small file outside the data folder.
 *
 *  "QKNV" | version u16 | count u16 | count times: wrap epoch u32 | nv 32
 *
 * While the key bag is wrapped anew there are two, so that a crash finds the one of whichever bag is there.
 */
import { ByteReader, ByteWriter } from "../model/byte-layout.ts";
import { QkdError } from "../model/errors.ts";
import { KeyMaterial } from "../model/key-material.ts";
import type { Random } from "../runtime/random.ts";
import type { SlotFile } from "./slot-file.ts";

const VERSION = 1;
const NV_BYTES = 32;

export interface NvEntry {
  readonly wrapEpoch: number;
  readonly nv: KeyMaterial;
}

/** The caller owns it. */
export function freshNv(random: Random): KeyMaterial {
  const nv = KeyMaterial.allocate(NV_BYTES);
  nv.expose((bytes) => random.fill(bytes));
  return nv;
}

/** From then on the file holds these and no other; durable when it resolves. The entries are lent. */
export async function storeNv(file: SlotFile, entries: readonly NvEntry[]): Promise<void> {
  const writer = new ByteWriter(8 + (4 + NV_BYTES) * entries.length)
    .bytes(new TextEncoder().encode("QKNV"))
    .u16(VERSION)
    .u16(entries.length);
  for (const { wrapEpoch, nv } of entries) {
    writer.u32(wrapEpoch);
    nv.expose((bytes) => writer.bytes(bytes));
  }
  const image = writer.finish();
  await file.replace(image); // which took the bytes at the call
  image.fill(0);
}

/**
 * @returns the nv of that epoch, which the caller owns, and how many the file has
 * @throws QkdError STORE_DAMAGED     the file is none, or has none for that epoch
 * @throws QkdError VERSION_MISMATCH  it is of another format
 */
export async function loadNv(file: SlotFile, wrapEpoch: number): Promise<{ nv: KeyMaterial; count: number }> {
  const image = await file.load();
  try {
    return nvIn(image, wrapEpoch);
  } finally {
    image.fill(0);
  }
}

function nvIn(image: Uint8Array, wrapEpoch: number): { nv: KeyMaterial; count: number } {
  const reader = new ByteReader(image, "nv file");
  if (image.length < 8 || new TextDecoder().decode(reader.bytes(4)) !== "QKNV") {
    throw damaged("the nv file of the key bag is missing or is none: all stock of this store is unreadable");
  }
  const version = reader.u16();
  if (version !== VERSION) {
    throw new QkdError("VERSION_MISMATCH", `the nv file has format ${version}, this daemon knows ${VERSION}`, {});
  }
  const count = reader.u16();
  let newest = 0;
  for (let left = count; left > 0; left--) {
    if (reader.remainingBytes < 4 + NV_BYTES) throw damaged("the nv file of the key bag is cut short");
    const epoch = reader.u32();
    const nv = reader.bytes(NV_BYTES);
    if (epoch === wrapEpoch) return { nv: KeyMaterial.copyOf(nv), count };
    newest = Math.max(newest, epoch);
  }
  const why = newest > wrapEpoch ? ": the data folder is an older copy, whose key cannot be read any more" : "";
  throw damaged(`the nv file has nothing for wrap epoch ${wrapEpoch} of the key bag${why}`);
}

const damaged = (sentence: string): QkdError =>
  new QkdError("STORE_DAMAGED", sentence, {
    remedy: "move data folder and nv file away: a new store starts empty, neighbours burn what was shared",
  });
