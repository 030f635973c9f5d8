/** Secret bytes with one owner: they cannot be printed, and they are erased when the owner is done. */

const PLACEHOLDER = "[key material]";

/** Gives the memory of `bytes` back at once; whoever still holds a view of it holds nothing. */
export function giveBack(bytes: Uint8Array<ArrayBuffer>): void {
  // Left to the collector, 64 KiB are ten times as dear, and each few megabytes cost a collection of the whole heap
  // (measured): V8 counts memory outside its heap towards the size at which it collects.
  bytes.buffer.transfer(0);
}

/**
 * Key material in memory outside V8's heap.
 *
 * Typed arrays of 64 bytes or less made by `new Uint8Array(n)` or `Buffer.alloc(n)` live on V8's heap, where the garbage
 * collector leaves copies behind; one over its own `ArrayBuffer` does not (measured). Nothing here returns a string.
 */
export class KeyMaterial {
  #bytes: Uint8Array<ArrayBuffer> | undefined;

  private constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.#bytes = bytes;
  }

  /** Zeroed material of `lengthBytes`, to be filled by `expose`. */
  static allocate(lengthBytes: number): KeyMaterial {
    return new KeyMaterial(new Uint8Array(new ArrayBuffer(lengthBytes)));
  }

  /** A copy of `bytes`; whoever gave them still has to erase theirs. */
  static copyOf(bytes: Uint8Array): KeyMaterial {
    const material = KeyMaterial.allocate(bytes.length);
    material.#bytes!.set(bytes);
    return material;
  }

  /** `bytes` themselves. Nobody else may hold their buffer: it goes when the material is erased. */
  static adopt(bytes: Uint8Array<ArrayBuffer>): KeyMaterial {
    if (bytes.length !== bytes.buffer.byteLength) return KeyMaterial.moveFrom(bytes);
    return new KeyMaterial(new Uint8Array(bytes.buffer));
  }

  /** A copy of all parts, one after the other. */
  static joined(parts: readonly Uint8Array[]): KeyMaterial {
    const material = KeyMaterial.allocate(parts.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of parts) {
      material.#bytes!.set(part, at);
      at += part.length;
    }
    return material;
  }

  /** A copy of `bytes`, which are erased. */
  static moveFrom(bytes: Uint8Array): KeyMaterial {
    const material = KeyMaterial.copyOf(bytes);
    bytes.fill(0);
    return material;
  }

  get lengthBytes(): number {
    return this.#live().length;
  }

  get erased(): boolean {
    return this.#bytes === undefined;
  }

  /** Lends the bytes to `use`, which must not keep them. @throws Error when the material was erased */
  expose<Result>(use: (bytes: Uint8Array<ArrayBuffer>) => Result): Result {
    return use(this.#live());
  }

  /** A copy of a part; the caller owns it. */
  slice(from: number, to: number): KeyMaterial {
    return KeyMaterial.copyOf(this.#live().subarray(from, to));
  }

  /** Overwrites the bytes and gives their memory back. Doing it again does nothing. */
  erase(): void {
    if (this.#bytes === undefined) return;
    this.#bytes.fill(0);
    giveBack(this.#bytes);
    this.#bytes = undefined;
  }

  [Symbol.dispose](): void {
    this.erase();
  }

  toString(): string {
    return PLACEHOLDER;
  }

  toJSON(): string {
    return PLACEHOLDER;
  }

  [Symbol.toPrimitive](): string {
    return PLACEHOLDER;
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return PLACEHOLDER;
  }

  #live(): Uint8Array<ArrayBuffer> {
    if (this.#bytes === undefined) throw new Error("this key material was erased");
    return this.#bytes;
  }
}
