/**
 * The id of a supplied key says where the key is: so the target's node finds it without a message from the initiator's.
 *
 * A UUID of version 8 (RFC 9562, section 5.8; of version 4 where a client insists), with 122 bits of our own:
 *
 *  bytes 0-3    segment number        u32   \
 *  bytes 4-5    offset in the segment u16    } masked, 62 bits
 *  byte  6      version (high nibble), and with byte 7 and 2 bits of byte 8: length in bytes, 14 bits   /
 *  byte  8      variant (2 bits) | length's last 2 bits | first 4 bits of the pair tag
 *  bytes 9-13   the other 40 bits of the pair tag (44 bits over the place and both SAE ids)
 *  bytes 14-15  place tag (16 bits over the class and the place)
 *
 * The mask is a function of the 60 tag bits, so equal places would be needed for equal ids: nothing about stock or volume can be
 * read. The place tag tells "no such key" from "not yours", the pair tag whom it was made for. All three come from AES-256
 * under keys from the pool's id secret; a request's ids are made in one pass of it, because an HMAC each costs more than all
 * the rest of an answer.
 */
import { createCipheriv, createHmac, createSecretKey, type Cipheriv, type KeyObject } from "node:crypto";
import { bytesOfHex, hexOfBytes } from "../model/byte-layout.ts";
import type { KeyClass, KeyId } from "../model/ids.ts";
import type { KeyMaterial } from "../model/key-material.ts";
import type { SaePair } from "./key-supply.ts";

/** The longest key that an id can name: 14 bits of length. */
export const KEY_BYTES_MAX = 0x3fff;
const BLOCK_BYTES = 16;
const MASK_SECRET_BYTES = 32;
const PAIRS_CACHED_MAX = 1024;

/** Where a key lies in the segments of one epoch of one pool. */
export interface KeyPlace {
  readonly number: number;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

export type ReadKeyId =
  | { readonly kind: "ours"; readonly place: KeyPlace }
  /** A key of this pool and epoch, made for another pair. */
  | { readonly kind: "foreign" }
  | { readonly kind: "unknown" };

export interface KeyIdCodec {
  /** Ids for keys of one pair, in one pass. */
  make(pair: SaePair, places: readonly KeyPlace[]): KeyId[];
  read(pair: SaePair, id: KeyId): ReadKeyId;
}

/** @param uuidVersion  the digit that the id shows; 8 is the honest one */
export function createKeyIdCodec(secret: KeyMaterial, keyClass: KeyClass, uuidVersion: 8 | 4): KeyIdCodec {
  return secret.expose((bytes) => {
    const tagSecret = bytes.subarray(MASK_SECRET_BYTES);
    const maskCipher = blockCipher(bytes.subarray(0, MASK_SECRET_BYTES), ["mask"]);
    const placeCipher = blockCipher(tagSecret, ["place", keyClass]);
    const pairSecret = createSecretKey(tagSecret);
    return new Codec(uuidVersion, maskCipher, placeCipher, pairSecret);
  });
}

class Codec implements KeyIdCodec {
  readonly #version: number;
  readonly #mask: Cipheriv;
  readonly #place: Cipheriv;
  readonly #pairSecret: KeyObject;
  readonly #pairs = new Map<string, Cipheriv>();

  constructor(version: number, mask: Cipheriv, place: Cipheriv, pairSecret: KeyObject) {
    this.#version = version;
    this.#mask = mask;
    this.#place = place;
    this.#pairSecret = pairSecret;
  }

  make(pair: SaePair, places: readonly KeyPlace[]): KeyId[] {
    const blocks = placeBlocks(places);
    const placeTags = this.#place.update(blocks);
    const pairTags = this.#pairCipher(pair).update(blocks);
    const ids = new Uint8Array(places.length * BLOCK_BYTES);
    for (let at = 0; at < ids.length; at += BLOCK_BYTES) {
      ids[at + 8] = pairTags[at]! & 0x0f;
      ids.set(pairTags.subarray(at + 1, at + 6), at + 9);
      ids.set(placeTags.subarray(at, at + 2), at + 14);
    }
    const masks = this.#mask.update(maskBlocks(ids));
    return places.map((place, i) => {
      const id = ids.subarray(i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES);
      writePlace(id, place);
      applyMask(id, masks.subarray(i * BLOCK_BYTES));
      id[6] = (this.#version << 4) | (id[6]! & 0x0f);
      id[8] = 0x80 | (id[8]! & 0x3f);
      return uuidText(id);
    });
  }

  read(pair: SaePair, id: KeyId): ReadKeyId {
    const bytes = bytesOfHex(id.replaceAll("-", "").toLowerCase());
    if (bytes.length !== BLOCK_BYTES || bytes[6]! >>> 4 !== this.#version || bytes[8]! >>> 6 !== 2) {
      return { kind: "unknown" };
    }
    const tags = bytes.slice();
    applyMask(bytes, this.#mask.update(maskBlocks(tags)));
    const place = readPlace(bytes);
    const blocks = placeBlocks([place]);
    const placeTag = this.#place.update(blocks);
    if (placeTag[0] !== tags[14] || placeTag[1] !== tags[15]) return { kind: "unknown" };
    const pairTag = this.#pairCipher(pair).update(blocks);
    let difference = (pairTag[0]! ^ tags[8]!) & 0x0f;
    for (let i = 1; i < 6; i++) difference |= pairTag[i]! ^ tags[8 + i]!;
    return difference === 0 ? { kind: "ours", place } : { kind: "foreign" };
  }

  #pairCipher({ initiator, target }: SaePair): Cipheriv {
    const name = `${initiator}\n${target}`; // an SAE id has no control characters
    let cipher = this.#pairs.get(name);
    if (cipher === undefined) {
      if (this.#pairs.size >= PAIRS_CACHED_MAX) this.#pairs.clear();
      cipher = blockCipher(this.#pairSecret, ["pair", initiator, target]);
      this.#pairs.set(name, cipher);
    }
    return cipher;
  }
}

/**
 * AES-256 of each 16-byte block on its own, with a subkey: one `update` gives all blocks of a request. Blocks are places or
 * tags, so equal blocks tell nothing new. It is never finished: making a cipher costs as much as thirty blocks.
 */
function blockCipher(secret: Uint8Array | KeyObject, words: readonly string[]): Cipheriv {
  const hmac = createHmac("sha256", secret).update("qkdnd key id v1");
  for (const word of words) hmac.update(`\n${word}`);
  const subkey = hmac.digest();
  const cipher = createCipheriv("aes-256-ecb", subkey, null).setAutoPadding(false);
  subkey.fill(0);
  return cipher;
}

function placeBlocks(places: readonly KeyPlace[]): Uint8Array {
  const blocks = new Uint8Array(places.length * BLOCK_BYTES);
  const view = new DataView(blocks.buffer);
  for (const [i, { number, offsetBytes, lengthBytes }] of places.entries()) {
    view.setUint32(i * BLOCK_BYTES, number);
    view.setUint16(i * BLOCK_BYTES + 4, offsetBytes);
    view.setUint16(i * BLOCK_BYTES + 6, lengthBytes);
  }
  return blocks;
}

/** The 60 tag bits of each id, padded to a block. */
function maskBlocks(ids: Uint8Array): Uint8Array {
  const blocks = new Uint8Array(ids.length);
  for (let at = 0; at < ids.length; at += BLOCK_BYTES) {
    blocks[at] = ids[at + 8]! & 0x0f;
    blocks.set(ids.subarray(at + 9, at + 16), at + 1);
  }
  return blocks;
}

function writePlace(id: Uint8Array, { number, offsetBytes, lengthBytes }: KeyPlace): void {
  const view = new DataView(id.buffer, id.byteOffset);
  view.setUint32(0, number);
  view.setUint16(4, offsetBytes);
  id[6] = lengthBytes >>> 10;
  id[7] = (lengthBytes >>> 2) & 0xff;
  id[8] = (id[8]! & 0x0f) | ((lengthBytes & 3) << 4);
}

function readPlace(id: Uint8Array): KeyPlace {
  const view = new DataView(id.buffer, id.byteOffset);
  const lengthBytes = ((id[6]! & 0x0f) << 10) | (id[7]! << 2) | ((id[8]! >>> 4) & 3);
  return { number: view.getUint32(0), offsetBytes: view.getUint16(4), lengthBytes };
}

/** XORs the 62 bits of the place. */
function applyMask(id: Uint8Array, mask: Uint8Array): void {
  for (let i = 0; i < 6; i++) id[i] = id[i]! ^ mask[i]!;
  id[6] = (id[6]! & 0xf0) | ((id[6]! ^ mask[6]!) & 0x0f);
  id[7] = id[7]! ^ mask[7]!;
  id[8] = id[8]! ^ (mask[8]! & 0x30);
}

function uuidText(id: Uint8Array): KeyId {
  const hex = hexOfBytes(id);
  const head = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}`;
  return `${head}-${hex.slice(16, 20)}-${hex.slice(20)}` as KeyId;
}
