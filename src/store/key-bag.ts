/**
 * The key bag: the data keys of all chunks, wrapped, in one small file outside LevelDB.
 *
 * LevelDB does not erase (deleted values stay in its files), so what must become unreadable is only ever stored sealed
 * under a data key, and the data key is overwritten here. Wrapped by KEK = HKDF(root, nv): `nv` lies outside the data
 * folder and is new at each re-wrap, so that earlier copies of this file are dead after one (DESIGN: store).
 *
 *  file    offset 0: header, 72 bytes     "QKBG" | version u16 | 0 u16 | store id 16 | wrap epoch u32 | zero 44
 *          offset 72 (1 + i): slot i      chunk name 8 | nonce 12 | AES-256-GCM(data key) 32 | its tag 16 | zero 4
 *          A free slot is all zero. Associated data of the wrapping: header bytes 0 to 27, chunk name.
 *  nv      "QKNV" | version u16 | count u16 | count times: wrap epoch u32 | nv 32
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { ByteReader, ByteWriter, hexOfBytes } from "../model/byte-layout.ts";
import { QkdError } from "../model/errors.ts";
import { KeyMaterial } from "../model/key-material.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Random } from "../runtime/random.ts";
import type { SlotChange, SlotFile } from "./slot-file.ts";
import { deriveStoreKey } from "./store-keys.ts";

/** The name of a chunk and of its data key: 16 hex digits, never used twice in a store. */
export type ChunkName = string & { readonly brand: "ChunkName" };

const VERSION = 1;
const SLOT_BYTES = 72;
const BOUND_HEADER_BYTES = 28;
const NONCE_BYTES = 12;
const DATA_KEY_BYTES = 32;
const NV_BYTES = 32;
const GCM_TAG_BYTES = 16;
const CIPHER = "aes-256-gcm";

export interface KeyBag {
  has(chunk: ChunkName): boolean;
  chunks(): IterableIterator<ChunkName>;
  /** @throws QkdError STORE_DAMAGED when the slot does not verify; undefined when the data key was destroyed */
  dataKey(chunk: ChunkName): KeyMaterial | undefined;
  /** Durable when it resolves. */
  add(entries: readonly { readonly chunk: ChunkName; readonly dataKey: KeyMaterial }[]): Promise<void>;
  /** Overwrites the data keys; durable when it resolves. Unknown names are passed over. */
  destroy(chunks: readonly ChunkName[]): Promise<void>;
}

export interface KeyBagParts {
  readonly file: SlotFile;
  readonly nv: SlotFile;
  readonly root: KeyMaterial;
  readonly storeId: string;
  readonly random: Random;
  readonly log: Logger;
  /** The records are new: whatever the files hold belongs to no store any more, and is overwritten. */
  readonly storeIsNew: boolean;
}

/** @throws QkdError STORE_DAMAGED when the file is none of this store's, VERSION_MISMATCH when it is of another format */
export async function openKeyBag(parts: KeyBagParts): Promise<KeyBag> {
  const image = await parts.file.load();
  const fresh = parts.storeIsNew || image.length === 0;
  if (fresh && !parts.storeIsNew) {
    parts.log.error("the key bag is missing: nothing of this store's stock can be read any more, all of it is burned");
  }
  const header = fresh ? headerOf(parts.storeId, 1) : image.slice(0, SLOT_BYTES);
  const wrapEpoch = checkHeader(header, parts.storeId);
  const nv = await loadNv(parts, wrapEpoch, fresh);
  const kek = nv.expose((salt) => deriveStoreKey(parts.root, "kek", salt));
  nv.erase();
  if (fresh) await parts.file.replace(header);
  return new OpenKeyBag(parts, header, kek, fresh ? new Uint8Array(0) : image.subarray(SLOT_BYTES));
}

class OpenKeyBag implements KeyBag {
  readonly #parts: KeyBagParts;
  readonly #bound: Uint8Array;
  readonly #kek: KeyMaterial;
  readonly #slots = new Map<ChunkName, { index: number; wrapped: Uint8Array }>();
  readonly #free: number[] = [];
  #slotCount: number;

  constructor(parts: KeyBagParts, header: Uint8Array, kek: KeyMaterial, slots: Uint8Array) {
    this.#parts = parts;
    this.#bound = header.slice(0, BOUND_HEADER_BYTES);
    this.#kek = kek;
    this.#slotCount = Math.floor(slots.length / SLOT_BYTES);
    for (let index = this.#slotCount - 1; index >= 0; index--) {
      const slot = slots.slice(index * SLOT_BYTES, (index + 1) * SLOT_BYTES);
      if (slot.every((byte) => byte === 0)) this.#free.push(index);
      else this.#slots.set(hexOfBytes(slot.subarray(0, 8)) as ChunkName, { index, wrapped: slot });
    }
  }

  has(chunk: ChunkName): boolean {
    return this.#slots.has(chunk);
  }

  chunks(): IterableIterator<ChunkName> {
    return this.#slots.keys();
  }

  dataKey(chunk: ChunkName): KeyMaterial | undefined {
    const slot = this.#slots.get(chunk);
    if (slot === undefined) return undefined;
    const reader = new ByteReader(slot.wrapped, "key bag slot");
    const name = reader.bytes(8);
    const nonce = reader.bytes(NONCE_BYTES);
    const wrapped = reader.bytes(DATA_KEY_BYTES);
    const tag = reader.bytes(GCM_TAG_BYTES);
    return this.#kek.expose((kek) => {
      const decipher = createDecipheriv(CIPHER, kek, nonce, { authTagLength: GCM_TAG_BYTES });
      decipher.setAAD(this.#bound).setAAD(name).setAuthTag(tag);
      try {
        const dataKey = KeyMaterial.adopt(decipher.update(wrapped));
        decipher.final();
        return dataKey;
      } catch (cause) {
        throw new QkdError("STORE_DAMAGED", "a data key does not verify: the key bag or the root changed", {}, cause);
      }
    });
  }

  async add(entries: readonly { readonly chunk: ChunkName; readonly dataKey: KeyMaterial }[]): Promise<void> {
    const changes = entries.map(({ chunk, dataKey }) => {
      const index = this.#free.pop() ?? this.#slotCount++;
      const wrapped = this.#wrap(chunk, dataKey);
      this.#slots.set(chunk, { index, wrapped });
      return { offset: offsetOf(index), bytes: wrapped };
    });
    await this.#parts.file.overwrite(inOrder(changes));
  }

  async destroy(chunks: readonly ChunkName[]): Promise<void> {
    const changes: SlotChange[] = [];
    const freed: number[] = [];
    for (const chunk of chunks) {
      const slot = this.#slots.get(chunk);
      if (slot === undefined) continue;
      this.#slots.delete(chunk);
      slot.wrapped.fill(0);
      changes.push({ offset: offsetOf(slot.index), bytes: slot.wrapped });
      freed.push(slot.index);
    }
    if (changes.length > 0) await this.#parts.file.overwrite(inOrder(changes));
    this.#free.push(...freed);
  }

  #wrap(chunk: ChunkName, dataKey: KeyMaterial): Uint8Array {
    const writer = new ByteWriter(SLOT_BYTES).hex(chunk);
    const nonce = new Uint8Array(new ArrayBuffer(NONCE_BYTES));
    this.#parts.random.fill(nonce);
    writer.bytes(nonce);
    const name = writer.finish().slice(0, 8);
    this.#kek.expose((kek) => {
      const cipher = createCipheriv(CIPHER, kek, nonce, { authTagLength: GCM_TAG_BYTES });
      cipher.setAAD(this.#bound).setAAD(name);
      writer.bytes(dataKey.expose((bytes) => cipher.update(bytes)));
      cipher.final();
      writer.bytes(cipher.getAuthTag()).u32(0);
    });
    return writer.finish();
  }
}

/** Slots side by side are one write of the file. */
const inOrder = (changes: SlotChange[]): SlotChange[] => changes.sort((one, other) => one.offset - other.offset);

const offsetOf = (index: number): number => SLOT_BYTES * (1 + index);

function headerOf(storeId: string, wrapEpoch: number): Uint8Array {
  const writer = new ByteWriter(SLOT_BYTES).bytes(new TextEncoder().encode("QKBG"));
  writer.u16(VERSION).u16(0).hex(storeId).u32(wrapEpoch);
  writer.room(SLOT_BYTES - writer.lengthBytes).fill(0);
  return writer.finish();
}

function checkHeader(header: Uint8Array, storeId: string): number {
  if (header.length < SLOT_BYTES) throw damaged("the key bag is cut short");
  const reader = new ByteReader(header, "key bag header");
  if (new TextDecoder().decode(reader.bytes(4)) !== "QKBG") throw damaged("the key bag has no header");
  const version = reader.u16();
  if (version !== VERSION) {
    throw new QkdError("VERSION_MISMATCH", `the key bag has format ${version}, this daemon knows ${VERSION}`, {});
  }
  reader.u16();
  if (reader.hex(16) !== storeId) throw damaged("the key bag belongs to another store");
  return reader.u32();
}

async function loadNv(parts: KeyBagParts, wrapEpoch: number, fresh: boolean): Promise<KeyMaterial> {
  const image = fresh ? new Uint8Array(0) : await parts.nv.load();
  if (!fresh) {
    const reader = new ByteReader(image, "nv file");
    if (image.length < 8 || new TextDecoder().decode(reader.bytes(4)) !== "QKNV") {
      throw damaged("the nv file of the key bag is missing or is none: all stock of this store is unreadable");
    }
    const version = reader.u16();
    if (version !== VERSION) {
      throw new QkdError("VERSION_MISMATCH", `the nv file has format ${version}, this daemon knows ${VERSION}`, {});
    }
    for (let left = reader.u16(); left > 0; left--) {
      if (reader.remainingBytes < 4 + NV_BYTES) throw damaged("the nv file of the key bag is cut short");
      const epoch = reader.u32();
      const nv = reader.bytes(NV_BYTES);
      if (epoch === wrapEpoch) return KeyMaterial.moveFrom(nv);
    }
    throw damaged(`the nv file has nothing for wrap epoch ${wrapEpoch} of the key bag`);
  }
  const nv = KeyMaterial.allocate(NV_BYTES);
  nv.expose((bytes) => parts.random.fill(bytes));
  const writer = new ByteWriter(64).bytes(new TextEncoder().encode("QKNV")).u16(VERSION).u16(1).u32(wrapEpoch);
  nv.expose((bytes) => writer.bytes(bytes));
  const file = writer.finish();
  await parts.nv.replace(file);
  file.fill(0);
  return nv;
}

const damaged = (sentence: string): QkdError => new QkdError("STORE_DAMAGED", sentence, {});
