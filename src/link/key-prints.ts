/**
 * Whether a QKD-key was there before under another id: a module that is stuck, or that plays old key again.
 *
 * Of each key only a print is kept, in memory: its first 16 bytes under AES-256 with a random key of this process, which
 * nobody ever sees. A plain hash of key would be a word about key; this is none, and it goes with the process. All prints of
 * a batch are made in one pass. Keys shorter than 16 bytes are not looked at: equal ones among them are no sign of anything.
 */
import { createCipheriv, type Cipheriv } from "node:crypto";
import { KeyMaterial } from "../model/key-material.ts";
import type { QkdKeyRunOfLength } from "../model/qkd-key-runs.ts";
import type { Random } from "../runtime/random.ts";

export const PRINT_BYTES = 16;
const SECRET_BYTES = 32;
/** Prints kept, each in the place that its first bits name: the newest of those stays. */
const PLACES = 16_384;
/** A place keeps 96 further bits: two different keys meet there by chance never in the life of a link. */
const WORDS = 3;
const WORD_BYTES = 4;

export class KeyPrints {
  readonly #cipher: Cipheriv;
  readonly #kept = new Uint32Array(PLACES * WORDS);
  readonly #last = new Uint32Array(WORDS + 1);

  constructor(random: Random) {
    using secret = KeyMaterial.allocate(SECRET_BYTES);
    this.#cipher = secret.expose((bytes) => {
      random.fill(bytes);
      return createCipheriv("aes-256-ecb", bytes, null).setAutoPadding(false);
    });
  }

  /**
   * Takes prints of a batch's keys.
   *
   * @param found  called with the offset of each key that was there before: "stuck" right after the same one
   */
  take(
    bytes: Uint8Array,
    runs: readonly QkdKeyRunOfLength[],
    found: (offset: number, how: "stuck" | "repeated") => void,
  ): void {
    let at = 0;
    for (const { count, keyBytes } of runs) {
      if (keyBytes >= PRINT_BYTES) this.#takeRun(bytes, { at, count, keyBytes }, found);
      at += count * keyBytes;
    }
  }

  #takeRun(
    bytes: Uint8Array,
    { at, count, keyBytes }: { readonly at: number; readonly count: number; readonly keyBytes: number },
    found: Parameters<KeyPrints["take"]>[2],
  ): void {
    using heads = KeyMaterial.allocate(count * PRINT_BYTES);
    const prints = heads.expose((room) => {
      for (let i = 0; i < count; i++) {
        const from = at + i * keyBytes;
        room.set(bytes.subarray(from, from + PRINT_BYTES), i * PRINT_BYTES);
      }
      return this.#cipher.update(room);
    });
    const view = new DataView(prints.buffer, prints.byteOffset, prints.length);
    for (let i = 0; i < count; i++) {
      const how = this.#look(view, i * PRINT_BYTES);
      if (how !== undefined) found(at + i * keyBytes, how);
    }
  }

  #look(print: DataView, at: number): "stuck" | "repeated" | undefined {
    const place = print.getUint32(at) % PLACES;
    let isKept = true;
    let isLast = this.#last[WORDS] === place + 1;
    for (let i = 0; i < WORDS; i++) {
      const word = print.getUint32(at + (i + 1) * WORD_BYTES);
      isKept &&= this.#kept[place * WORDS + i] === word;
      isLast &&= this.#last[i] === word;
      this.#kept[place * WORDS + i] = this.#last[i] = word;
    }
    this.#last[WORDS] = place + 1;
    return isLast ? "stuck" : isKept ? "repeated" : undefined;
  }
}
