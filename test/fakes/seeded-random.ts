/** Chance from a seed: the same seed gives the same luck, in every process and on every machine. */
import { createCipheriv, createHash } from "node:crypto";
import type { Random } from "../../src/runtime/random.ts";

const BLOCK_BYTES = 16_384;
const ZEROS = new Uint8Array(BLOCK_BYTES);
const IV = new Uint8Array(16);
const TWO_POW_21 = 0x20_0000;
const TWO_POW_53 = 2 ** 53;

export interface SeededRandom extends Random {
  /**
   * Luck of its own for a part of the world. It depends on this seed and the name only, not on what was drawn before:
   * adding a node does not change the others' luck. The same name twice gives the same luck twice.
   */
  fork(name: string): SeededRandom;
  /** A number in [min, max). */
  between(min: number, max: number): number;
  /** A whole number in [0, count). */
  below(count: number): number;
  chance(probability: number): boolean;
  pick<Item>(items: readonly Item[]): Item;
}

export function createSeededRandom(seed: string | number): SeededRandom {
  return new AesRandom(createHash("sha256").update(`seed ${seed}`).digest());
}

/** AES-256-CTR over zeros. What is drawn depends only on the count of bytes drawn before. */
class AesRandom implements SeededRandom {
  readonly #key: Uint8Array;
  readonly #stream: ReturnType<typeof createCipheriv>;
  #block: Uint8Array = new Uint8Array(0);
  #used = 0;

  constructor(key: Uint8Array) {
    this.#key = key;
    this.#stream = createCipheriv("aes-256-ctr", key, IV);
  }

  fork(name: string): SeededRandom {
    return new AesRandom(createHash("sha256").update(this.#key).update(`fork ${name}`).digest());
  }

  fill(bytes: Uint8Array<ArrayBuffer>): void {
    let filled = 0;
    while (filled < bytes.length) {
      this.#refill();
      const part = this.#block.subarray(this.#used, this.#used + bytes.length - filled);
      bytes.set(part, filled);
      filled += part.length;
      this.#used += part.length;
    }
  }

  fraction(): number {
    let high = 0;
    let low = 0;
    for (let i = 0; i < 4; i++) high = (high << 8) | this.#byte();
    for (let i = 0; i < 3; i++) low = (low << 8) | this.#byte();
    return ((high >>> 0) * TWO_POW_21 + (low >>> 3)) / TWO_POW_53;
  }

  between(min: number, max: number): number {
    return min + (max - min) * this.fraction();
  }

  below(count: number): number {
    return Math.floor(count * this.fraction());
  }

  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)]!;
  }

  #byte(): number {
    this.#refill();
    return this.#block[this.#used++]!;
  }

  #refill(): void {
    if (this.#used < this.#block.length) return;
    this.#block = this.#stream.update(ZEROS);
    this.#used = 0;
  }
}
