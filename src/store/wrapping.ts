/** How data keys are wrapped in the key bag: the layout of its header and slots, and the key that one wrap epoch uses. */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { ByteReader, ByteWriter, hexOfBytes } from "../model/byte-layout.ts";
import { QkdError } from "../model/errors.ts";
import { KeyMaterial } from "../model/key-material.ts";
import type { Random } from "../runtime/random.ts";
import { decryptedBytes } from "./decrypted-bytes.ts";
import { deriveStoreKey } from "./store-keys.ts";

export const SLOT_BYTES = 72;
const VERSION = 1;
const BOUND_HEADER_BYTES = 28;
const NONCE_BYTES = 12;
const DATA_KEY_BYTES = 32;
const GCM_TAG_BYTES = 16;
const CIPHER = "aes-256-gcm";

/** What a header says. */
export interface WrapHeader {
  readonly storeId: string;
  readonly wrapEpoch: number;
  /** `nv` was in memory only: nobody can unwrap what a later process finds. */
  readonly ephemeral: boolean;
}

/** The data keys of one wrap epoch, in and out. */
export class Wrapping {
  readonly header: WrapHeader;
  readonly #random: Random;
  readonly #bound: Uint8Array;
  readonly #kek: KeyMaterial;

  /** @param nv  lent */
  constructor(header: WrapHeader, parts: { readonly root: KeyMaterial; readonly nv: KeyMaterial; random: Random }) {
    this.header = header;
    this.#random = parts.random;
    this.#bound = encodeHeader(header).slice(0, BOUND_HEADER_BYTES);
    this.#kek = parts.nv.expose((salt) => deriveStoreKey(parts.root, "kek", salt));
  }

  /** A slot: layout in `key-bag.ts`. @param chunk  its name, 16 hex digits */
  wrap(chunk: string, dataKey: KeyMaterial): Uint8Array {
    const writer = new ByteWriter(SLOT_BYTES).hex(chunk);
    const nonce = new Uint8Array(new ArrayBuffer(NONCE_BYTES));
    this.#random.fill(nonce);
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

  /** @throws QkdError STORE_DAMAGED when the slot does not verify */
  unwrap(slot: Uint8Array): KeyMaterial {
    const reader = new ByteReader(slot, "key bag slot");
    const name = reader.bytes(8);
    const nonce = reader.bytes(NONCE_BYTES);
    const wrapped = reader.bytes(DATA_KEY_BYTES);
    const tag = reader.bytes(GCM_TAG_BYTES);
    return this.#kek.expose((kek) => {
      const decipher = createDecipheriv(CIPHER, kek, nonce, { authTagLength: GCM_TAG_BYTES });
      decipher.setAAD(this.#bound).setAAD(name).setAuthTag(tag);
      const dataKey = KeyMaterial.adopt(decryptedBytes(decipher, wrapped));
      try {
        decipher.final();
        return dataKey;
      } catch (cause) {
        dataKey.erase();
        throw damaged("a data key does not verify: the key bag or the root changed", cause);
      }
    });
  }

  /** Nothing can be wrapped or unwrapped any more. */
  erase(): void {
    this.#kek.erase();
  }
}

/** The name in a slot; undefined for a free one. */
export function chunkIn(slot: Uint8Array): string | undefined {
  return slot.every((byte) => byte === 0) ? undefined : hexOfBytes(slot.subarray(0, 8));
}

export function encodeHeader({ storeId, wrapEpoch, ephemeral }: WrapHeader): Uint8Array {
  const writer = new ByteWriter(SLOT_BYTES).bytes(new TextEncoder().encode("QKBG"));
  writer
    .u16(VERSION)
    .u16(ephemeral ? 1 : 0)
    .hex(storeId)
    .u32(wrapEpoch);
  writer.room(SLOT_BYTES - writer.lengthBytes).fill(0);
  return writer.finish();
}

/** @throws QkdError STORE_DAMAGED when it is none, VERSION_MISMATCH for another format */
export function decodeHeader(header: Uint8Array): WrapHeader {
  if (header.length < SLOT_BYTES) throw damaged("the key bag is cut short");
  if (header.every((byte) => byte === 0)) {
    throw damaged("the key bag was zeroized: nothing of this store can be read; move its folder away to begin anew");
  }
  const reader = new ByteReader(header, "key bag header");
  if (new TextDecoder().decode(reader.bytes(4)) !== "QKBG") throw damaged("the key bag has no header");
  const version = reader.u16();
  if (version !== VERSION) {
    throw new QkdError("VERSION_MISMATCH", `the key bag has format ${version}, this daemon knows ${VERSION}`, {});
  }
  const ephemeral = reader.u16() === 1;
  return { ephemeral, storeId: reader.hex(16), wrapEpoch: reader.u32() };
}

const damaged = (sentence: string, cause?: unknown): QkdError => new QkdError("STORE_DAMAGED", sentence, {}, cause);
