/** Decryption that leaves its result in one place, most times. */
import type { DecipherGCM } from "node:crypto";

/** By so many bytes is the buffer longer in which Node.js decrypts: the block of GCM, a stream cipher. */
const BLOCK_BYTES = 1;

/**
 * What `decipher` makes of `sealed`; the caller erases it.
 *
 * Node.js (24.21, `CipherBase::Update`) decrypts into a buffer that is one block too long, copies it into one of the right
 * length and frees the first as it is: key stayed in freed memory for minutes. Memory of that size, asked for at once, is the
 * same again most times, and comes zeroed; `test/e2e/memory-image.test.ts` tells what is left.
 */
export function decryptedBytes(decipher: DecipherGCM, sealed: Uint8Array): Buffer<ArrayBuffer> {
  const plain = decipher.update(sealed);
  void new ArrayBuffer(sealed.length + BLOCK_BYTES);
  return plain;
}
