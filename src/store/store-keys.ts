/** The keys of a store, all derived from its root: for wrapping data keys, for authenticating records, for marks. */
import { createHmac, createSecretKey, hkdfSync, timingSafeEqual } from "node:crypto";
import { bytesOfHex } from "../model/byte-layout.ts";
import { KeyMaterial } from "../model/key-material.ts";

export const ROOT_BYTES = 32;
const MAC_BYTES = 16;

/** What a store's root is turned into for one use. HKDF-SHA-512 (RFC 5869), one label a use. */
export function deriveStoreKey(root: KeyMaterial, label: string, salt: Uint8Array): KeyMaterial {
  return root.expose((secret) => {
    const derived = new Uint8Array(hkdfSync("sha512", secret, salt, `qkdnd/v1/${label}`, 32));
    return KeyMaterial.moveFrom(derived);
  });
}

/** Authenticates bytes under the store's root: whoever lacks the root can neither make nor alter what it covers. */
export interface StoreMac {
  /** 16 bytes of HMAC-SHA-256 over the parts, each with its length. */
  of(parts: readonly Uint8Array[]): Uint8Array;
  verifies(parts: readonly Uint8Array[], mac: Uint8Array): boolean;
}

export function createStoreMac(root: KeyMaterial, label: string, storeId: string): StoreMac {
  using derived = deriveStoreKey(root, label, bytesOfHex(storeId));
  const macKey = derived.expose((bytes) => createSecretKey(bytes)); // several times faster than bytes at each use
  const macOf = (parts: readonly Uint8Array[]): Uint8Array => {
    const hmac = createHmac("sha256", macKey);
    const length = new Uint8Array(4);
    for (const part of parts) {
      new DataView(length.buffer).setUint32(0, part.length);
      hmac.update(length).update(part);
    }
    return hmac.digest().subarray(0, MAC_BYTES);
  };
  return {
    of: macOf,
    verifies: (parts, mac) => mac.length === MAC_BYTES && timingSafeEqual(macOf(parts), mac),
  };
}
