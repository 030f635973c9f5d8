/**
 * A Wegman-Carter tag: Poly1305 as a universal hash, under a one-time pad.
 *
 * `tag = Poly1305_r(message) + s mod 2^128` is what RFC 8439, section 2.5, computes for the one-time key `r | s`. Here `r`
 * belongs to a segment and `s` to one message, both are key of a QKD link: a forger who has seen any number of tags succeeds
 * with probability at most 8 ceil(L / 16) / 2^106 a try, whatever he can compute (Bernstein 2005; L in bytes).
 * Node's own AEADs cannot serve: their hash key comes out of a cipher.
 *
 * Numbers modulo 2^130 - 5 are held as ten limbs of 13 bits, so that every product sum stays below 2^32. No branch and no
 * index depends on a secret. The state lies outside V8's heap and is erased.
 */
import { timingSafeEqual } from "node:crypto";

export const TAG_BYTES = 16;
export const HASH_KEY_BYTES = 16;
export const TAG_PAD_BYTES = 16;

/**
 * How likely a forged message of this length passes, at most, whatever its forger can compute. The sum of it over all tags
 * that were checked bounds the whole: the error of a hash key that is used again grows no faster (Portmann 2014).
 */
export const forgeryBound = (lengthBytes: number): number => (8 * Math.ceil(lengthBytes / BLOCK_BYTES)) / 2 ** 106;

const LIMBS = 10;
const LIMB_BITS = 13;
const LIMB = 0x1fff;
const BLOCK_BYTES = 16;
/** r with these bits cleared, 16 bits a word (RFC 8439, section 2.5: clamping). */
const CLAMP = [0xffff, 0x0fff, 0xfffc, 0x0fff, 0xfffc, 0x0fff, 0xfffc, 0x0fff];

/**
 * Tags the concatenation of `parts`.
 *
 * @param hashKey  16 bytes `r`, reused within a segment by construction
 * @param pad      16 bytes `s`, for this message only
 */
export function oneTimeTag(hashKey: Uint8Array, pad: Uint8Array, parts: readonly Uint8Array[]): Uint8Array {
  const hash = new PolynomialHash(hashKey);
  for (const part of parts) hash.absorb(part);
  return hash.finish(pad);
}

/** Compares in constant time. */
export function tagVerifies(
  hashKey: Uint8Array,
  pad: Uint8Array,
  parts: readonly Uint8Array[],
  tag: Uint8Array,
): boolean {
  return tag.length === TAG_BYTES && timingSafeEqual(oneTimeTag(hashKey, pad, parts), tag);
}

const offHeap = (length: number): Uint32Array => new Uint32Array(new ArrayBuffer(4 * length));

class PolynomialHash {
  readonly #r = offHeap(LIMBS);
  readonly #h = offHeap(LIMBS);
  readonly #block = new Uint8Array(new ArrayBuffer(BLOCK_BYTES));
  #held = 0;

  constructor(hashKey: Uint8Array) {
    const words = offHeap(8);
    for (let i = 0; i < 8; i++) words[i] = (hashKey[2 * i]! | (hashKey[2 * i + 1]! << 8)) & CLAMP[i]!;
    for (let i = 0; i < LIMBS; i++) this.#r[i] = limbOfWords(words, i);
    words.fill(0);
  }

  absorb(bytes: Uint8Array): void {
    let at = 0;
    if (this.#held > 0) {
      at = Math.min(BLOCK_BYTES - this.#held, bytes.length);
      this.#block.set(bytes.subarray(0, at), this.#held);
      this.#held += at;
      if (this.#held < BLOCK_BYTES) return;
      this.#multiply(this.#block, 0, BLOCK_BYTES, 1);
      this.#held = 0;
    }
    const whole = bytes.length - ((bytes.length - at) % BLOCK_BYTES);
    if (whole > at) this.#multiply(bytes, at, whole, 1);
    this.#block.set(bytes.subarray(whole));
    this.#held = bytes.length - whole;
  }

  finish(pad: Uint8Array): Uint8Array {
    if (this.#held > 0) {
      this.#block.fill(0, this.#held);
      this.#block[this.#held] = 1;
      this.#multiply(this.#block, 0, BLOCK_BYTES, 0);
    }
    const words = this.#reducedWords();
    const tag = new Uint8Array(TAG_BYTES);
    let carry = 0;
    for (let i = 0; i < 8; i++) {
      carry += words[i]! + (pad[2 * i]! | (pad[2 * i + 1]! << 8));
      tag[2 * i] = carry & 0xff;
      tag[2 * i + 1] = (carry >>> 8) & 0xff;
      carry >>>= 16;
    }
    for (const secret of [this.#r, this.#h, words]) secret.fill(0);
    this.#block.fill(0);
    return tag;
  }

  /** h = (h + block) r mod 2^130 - 5, for each block of `bytes` from `from` to `to`; `mark` is the bit above a whole block. */
  // eslint-disable-next-line max-lines-per-function -- ten limbs written out: a loop over them is several times slower
  #multiply(bytes: Uint8Array, from: number, to: number, mark: number): void {
    const [r0, r1, r2, r3, r4, r5, r6, r7, r8, r9] = this.#r as unknown as Ten;
    const f1 = 5 * r1;
    const f2 = 5 * r2;
    const f3 = 5 * r3;
    const f4 = 5 * r4;
    const f5 = 5 * r5;
    const f6 = 5 * r6;
    const f7 = 5 * r7;
    const f8 = 5 * r8;
    const f9 = 5 * r9;
    let [h0, h1, h2, h3, h4, h5, h6, h7, h8, h9] = this.#h as unknown as Ten;
    const top = mark << 11;
    for (let i = from; i < to; i += BLOCK_BYTES) {
      const t0 = bytes[i]! | (bytes[i + 1]! << 8);
      const t1 = bytes[i + 2]! | (bytes[i + 3]! << 8);
      const t2 = bytes[i + 4]! | (bytes[i + 5]! << 8);
      const t3 = bytes[i + 6]! | (bytes[i + 7]! << 8);
      const t4 = bytes[i + 8]! | (bytes[i + 9]! << 8);
      const t5 = bytes[i + 10]! | (bytes[i + 11]! << 8);
      const t6 = bytes[i + 12]! | (bytes[i + 13]! << 8);
      const t7 = bytes[i + 14]! | (bytes[i + 15]! << 8);
      h0 += t0 & LIMB;
      h1 += ((t0 >>> 13) | (t1 << 3)) & LIMB;
      h2 += ((t1 >>> 10) | (t2 << 6)) & LIMB;
      h3 += ((t2 >>> 7) | (t3 << 9)) & LIMB;
      h4 += ((t3 >>> 4) | (t4 << 12)) & LIMB;
      h5 += (t4 >>> 1) & LIMB;
      h6 += ((t4 >>> 14) | (t5 << 2)) & LIMB;
      h7 += ((t5 >>> 11) | (t6 << 5)) & LIMB;
      h8 += ((t6 >>> 8) | (t7 << 8)) & LIMB;
      h9 += (t7 >>> 5) | top;
      let d = h0 * r0 + h1 * f9 + h2 * f8 + h3 * f7 + h4 * f6;
      let c = d >>> LIMB_BITS;
      d = (d & LIMB) + h5 * f5 + h6 * f4 + h7 * f3 + h8 * f2 + h9 * f1;
      c += d >>> LIMB_BITS;
      const n0 = d & LIMB;
      d = c + h0 * r1 + h1 * r0 + h2 * f9 + h3 * f8 + h4 * f7;
      c = d >>> LIMB_BITS;
      d = (d & LIMB) + h5 * f6 + h6 * f5 + h7 * f4 + h8 * f3 + h9 * f2;
      c += d >>> LIMB_BITS;
      const n1 = d & LIMB;
      d = c + h0 * r2 + h1 * r1 + h2 * r0 + h3 * f9 + h4 * f8;
      c = d >>> LIMB_BITS;
      d = (d & LIMB) + h5 * f7 + h6 * f6 + h7 * f5 + h8 * f4 + h9 * f3;
      c += d >>> LIMB_BITS;
      const n2 = d & LIMB;
      d = c + h0 * r3 + h1 * r2 + h2 * r1 + h3 * r0 + h4 * f9;
      c = d >>> LIMB_BITS;
      d = (d & LIMB) + h5 * f8 + h6 * f7 + h7 * f6 + h8 * f5 + h9 * f4;
      c += d >>> LIMB_BITS;
      const n3 = d & LIMB;
      d = c + h0 * r4 + h1 * r3 + h2 * r2 + h3 * r1 + h4 * r0;
      c = d >>> LIMB_BITS;
      d = (d & LIMB) + h5 * f9 + h6 * f8 + h7 * f7 + h8 * f6 + h9 * f5;
      c += d >>> LIMB_BITS;
      const n4 = d & LIMB;
      d = c + h0 * r5 + h1 * r4 + h2 * r3 + h3 * r2 + h4 * r1;
      c = d >>> LIMB_BITS;
      d = (d & LIMB) + h5 * r0 + h6 * f9 + h7 * f8 + h8 * f7 + h9 * f6;
      c += d >>> LIMB_BITS;
      const n5 = d & LIMB;
      d = c + h0 * r6 + h1 * r5 + h2 * r4 + h3 * r3 + h4 * r2;
      c = d >>> LIMB_BITS;
      d = (d & LIMB) + h5 * r1 + h6 * r0 + h7 * f9 + h8 * f8 + h9 * f7;
      c += d >>> LIMB_BITS;
      const n6 = d & LIMB;
      d = c + h0 * r7 + h1 * r6 + h2 * r5 + h3 * r4 + h4 * r3;
      c = d >>> LIMB_BITS;
      d = (d & LIMB) + h5 * r2 + h6 * r1 + h7 * r0 + h8 * f9 + h9 * f8;
      c += d >>> LIMB_BITS;
      const n7 = d & LIMB;
      d = c + h0 * r8 + h1 * r7 + h2 * r6 + h3 * r5 + h4 * r4;
      c = d >>> LIMB_BITS;
      d = (d & LIMB) + h5 * r3 + h6 * r2 + h7 * r1 + h8 * r0 + h9 * f9;
      c += d >>> LIMB_BITS;
      const n8 = d & LIMB;
      d = c + h0 * r9 + h1 * r8 + h2 * r7 + h3 * r6 + h4 * r5;
      c = d >>> LIMB_BITS;
      d = (d & LIMB) + h5 * r4 + h6 * r3 + h7 * r2 + h8 * r1 + h9 * r0;
      c += d >>> LIMB_BITS;
      const n9 = d & LIMB;
      // what runs over 2^130 comes back times five
      c = n0 + 5 * c;
      h0 = c & LIMB;
      h1 = n1 + (c >>> LIMB_BITS);
      h2 = n2;
      h3 = n3;
      h4 = n4;
      h5 = n5;
      h6 = n6;
      h7 = n7;
      h8 = n8;
      h9 = n9;
    }
    const h = this.#h; // one by one: an array of them would be a copy on V8's heap
    h[0] = h0;
    h[1] = h1;
    h[2] = h2;
    h[3] = h3;
    h[4] = h4;
    h[5] = h5;
    h[6] = h6;
    h[7] = h7;
    h[8] = h8;
    h[9] = h9;
  }

  /** h fully reduced, as eight words of 16 bits (mod 2^128). */
  #reducedWords(): Uint32Array {
    const h = this.#h;
    for (let pass = 0; pass < 2; pass++) {
      let carry = 0;
      for (let i = 0; i < LIMBS; i++) {
        const sum = h[i]! + carry;
        h[i] = sum & LIMB;
        carry = sum >>> LIMB_BITS;
      }
      h[0] = h[0]! + 5 * carry;
    }
    const minus = offHeap(LIMBS); // h + 5 - 2^130: not negative exactly when h >= 2^130 - 5
    let carry = 5;
    for (let i = 0; i < LIMBS; i++) {
      const sum = h[i]! + carry;
      minus[i] = sum & LIMB;
      carry = sum >>> LIMB_BITS;
    }
    const useMinus = -carry >>> 0; // all ones or zero: chosen without a branch
    for (let i = 0; i < LIMBS; i++) h[i] = ((h[i]! & ~useMinus) | (minus[i]! & useMinus)) & LIMB;
    minus.fill(0);
    const words = offHeap(8);
    for (let i = 0; i < 8; i++) words[i] = wordOfLimbs(h, i);
    return words;
  }
}

type Ten = readonly [number, number, number, number, number, number, number, number, number, number];

/** Bits 13 i to 13 i + 12 of a number in 16-bit words. */
function limbOfWords(words: Uint32Array, i: number): number {
  const bit = LIMB_BITS * i;
  const word = bit >>> 4;
  return ((words[word]! | ((words[word + 1] ?? 0) << 16)) >>> (bit & 15)) & LIMB;
}

/** Bits 16 i to 16 i + 15 of a number in 13-bit limbs. */
function wordOfLimbs(limbs: Uint32Array, i: number): number {
  const bit = 16 * i;
  const limb = Math.floor(bit / LIMB_BITS);
  const shift = bit % LIMB_BITS;
  const joined = limbs[limb]! + (limbs[limb + 1] ?? 0) * 2 ** 13 + (limbs[limb + 2] ?? 0) * 2 ** 26;
  return Math.floor(joined / 2 ** shift) % 2 ** 16;
}
