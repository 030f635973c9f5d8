/**
 * The continuous health tests of NIST SP 800-90B over key as a module gives it: repetition count (4.4.1) and adaptive
 * proportion (4.4.2). They find a module that is broken, not one that is hostile: what passes may still be known to others.
 *
 * Key has full entropy, so a sample of 8 bits is assessed with H = 8 and a bit with H = 1. alpha is 2^-64 a test: below the
 * 2^-20 to 2^-40 that the standard has in view for noise sources, because at 100 Mb/s 12.5 million samples a second are
 * judged. Good key then trips one of these tests once in some 45,000 years of a link (docs/adr/0028 has the sums).
 */

/** Equal bytes in a row: C = 1 + ceil(-log2(alpha) / H) = 1 + 64/8. */
export const REPETITION_CUTOFF = 9;
/** Of 512 bytes those that equal the first: C = 1 + critbinom(512, 2^-8, 1 - alpha). */
export const BYTE_CUTOFF = 26;
export const BYTE_WINDOW_BYTES = 512;
/** Of 1024 bits those that are the same, ones or zeros, whichever are more: C = 1 + critbinom(1024, 1/2, 1 - alpha). */
export const BIT_CUTOFF = 657;
const BIT_WINDOW_BITS = 1024;

const WORD_BYTES = 4;
const BYTE_WINDOW_WORDS = BYTE_WINDOW_BYTES / WORD_BYTES;
const BIT_WINDOW_WORDS = BIT_WINDOW_BITS / (8 * WORD_BYTES);
const LOW_BITS = 0x7f7f7f7f;

/** Bytes [from, to) of what was judged, and the test that they failed. */
export interface Failed {
  readonly test: "repetition" | "proportion";
  readonly from: number;
  readonly to: number;
}

/** Goes on from batch to batch: a window that one batch begins, the next one ends. */
export class HealthTests {
  /** One byte of the present window, four times. It is key: 8 bits of 4096 stay here until the window ends. */
  #sample = 0;
  #equal = 0;
  #byteWords = 0;
  #ones = 0;
  #bitWords = 0;

  /**
   * Judges whole words; the last three bytes of a batch are in no window, and in no row that the next batch ends.
   *
   * @param bytes  at the beginning of their buffer
   */
  judge(bytes: Uint8Array<ArrayBuffer>): Failed[] {
    const failed: Failed[] = [];
    const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
    let rowEnd = 0;
    for (let i = 0; i < words.length;) {
      // to the end of whichever window ends first: within it there is nothing to look up
      const stop = Math.min(
        words.length,
        i + BYTE_WINDOW_WORDS - this.#byteWords,
        i + BIT_WINDOW_WORDS - this.#bitWords,
      );
      if (this.#byteWords === 0) this.#sample = (words[i]! & 0xff) * 0x01010101;
      const sample = this.#sample;
      let [equals, ones] = [0, 0];
      this.#byteWords += stop - i;
      this.#bitWords += stop - i;
      for (; i < stop; i++) {
        const word = words[i]!;
        // a row of nine holds a whole word of equal bytes, wherever it begins
        if (((word >>> 8) | (word << 24)) === word && i * WORD_BYTES >= rowEnd) {
          const row = rowAround(bytes, i * WORD_BYTES);
          rowEnd = row.to;
          if (row.to - row.from >= REPETITION_CUTOFF) failed.push({ test: "repetition", ...row });
        }
        const different = word ^ sample;
        const equal = ~(((different & LOW_BITS) + LOW_BITS) | different | LOW_BITS); // the top bit of each equal byte
        if (equal !== 0) equals += bitsOf(equal);
        ones += bitsOf(word);
      }
      this.#equal += equals;
      this.#ones += ones;
      if (this.#byteWords === BYTE_WINDOW_WORDS) this.#endBytes(failed, i * WORD_BYTES);
      if (this.#bitWords === BIT_WINDOW_WORDS) this.#endBits(failed, i * WORD_BYTES);
    }
    return failed;
  }

  #endBytes(failed: Failed[], end: number): void {
    if (this.#equal >= BYTE_CUTOFF) {
      failed.push({ test: "proportion", from: Math.max(0, end - BYTE_WINDOW_BYTES), to: end });
    }
    this.#equal = this.#byteWords = this.#sample = 0;
  }

  #endBits(failed: Failed[], end: number): void {
    if (Math.max(this.#ones, BIT_WINDOW_BITS - this.#ones) >= BIT_CUTOFF) {
      failed.push({ test: "proportion", from: Math.max(0, end - BIT_WINDOW_BITS / 8), to: end });
    }
    this.#ones = this.#bitWords = 0;
  }
}

/** All equal bytes in a row around a place. */
function rowAround(bytes: Uint8Array, at: number): { readonly from: number; readonly to: number } {
  const value = bytes[at]!;
  let from = at;
  let to = at + 1;
  while (from > 0 && bytes[from - 1] === value) from -= 1;
  while (to < bytes.length && bytes[to] === value) to += 1;
  return { from, to };
}

function bitsOf(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555);
  const nibbles = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
  return Math.imul((nibbles + (nibbles >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
