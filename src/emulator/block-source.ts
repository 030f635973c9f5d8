/** Where the bytes of emulated key blocks come from: the system's generator, or a seed that gives the same again. */
import { createCipheriv, createHash } from "node:crypto";
import type { Random } from "../runtime/random.ts";

/** Gives each key block of a link, in any order; the same number twice only where a seed was given. */
export interface BlockSource {
  /** The link's run: the first half of every QKD-key id, so that a restarted pair never repeats one. */
  readonly run: Uint8Array<ArrayBuffer>;
  /** New bytes in memory of their own; the caller owns them. */
  block(number: number, lengthBytes: number): Uint8Array<ArrayBuffer>;
}

const RUN_BYTES = 8;
const IV_BYTES = 16;

/** Fresh bytes and a fresh run: what a real pair of modules does. */
export function createRandomBlockSource(random: Random): BlockSource {
  const run = new Uint8Array(new ArrayBuffer(RUN_BYTES));
  random.fill(run);
  return {
    run,
    block(_number, lengthBytes) {
      const bytes = new Uint8Array(new ArrayBuffer(lengthBytes));
      random.fill(bytes);
      return bytes;
    },
  };
}

/** The same run and blocks for the same seed, for tests: AES-256-CTR, one counter range for each block. */
export function createSeededBlockSource(seed: string): BlockSource {
  const run = new Uint8Array(new ArrayBuffer(RUN_BYTES));
  run.set(createHash("sha256").update(`run of ${seed}`).digest().subarray(0, RUN_BYTES));
  const cipherKey = createHash("sha256").update(`blocks of ${seed}`).digest();
  return {
    run,
    block(number, lengthBytes) {
      const iv = Buffer.alloc(IV_BYTES);
      iv.writeUIntBE(number, 0, 6); // the last ten bytes count the cipher's own blocks
      const stream = createCipheriv("aes-256-ctr", cipherKey, iv).update(new Uint8Array(lengthBytes));
      return new Uint8Array(stream.buffer, stream.byteOffset, stream.length);
    },
  };
}
