/** Joins the keys that a module gives one by one into batches. */
import { assert } from "../model/assert.ts";
import type { QkdKeyId } from "../model/ids.ts";
import { KeyMaterial } from "../model/key-material.ts";
import { idAfter } from "../model/qkd-key-runs.ts";
import type { QkdKeyBatch } from "./qkd-driver.ts";

const CAPACITY_BYTES_MIN = 4096;

export class KeyBatchBuilder {
  #material = KeyMaterial.allocate(CAPACITY_BYTES_MIN);
  #runs: { first: QkdKeyId; count: number; keyBytes: number }[] = [];
  #bytes = 0;
  #last: QkdKeyId | undefined;

  /** Of the keys in the batch. */
  get lengthBytes(): number {
    return this.#bytes;
  }

  /** Copies the key; whoever gave it erases theirs. */
  add(id: QkdKeyId, key: Uint8Array): void {
    assert(key.length > 0, "a key has at least one byte");
    this.#makeRoom(key.length);
    this.#material.expose((bytes) => bytes.set(key, this.#bytes));
    this.#bytes += key.length;
    const run = this.#runs.at(-1);
    const follows = run?.keyBytes === key.length && this.#last !== undefined && idAfter(this.#last, 1) === id;
    if (follows) run.count += 1;
    else this.#runs.push({ first: id, count: 1, keyBytes: key.length });
    this.#last = id;
  }

  /** The batch so far, and begins anew; undefined when there is none. */
  take(): QkdKeyBatch | undefined {
    const runs = this.#runs;
    const last = this.#last;
    if (last === undefined) return undefined;
    const material = this.#material.slice(0, this.#bytes);
    this.#begin();
    return { runs, last, material };
  }

  /** Erases the keys that nobody took. */
  clear(): void {
    this.#begin();
  }

  #begin(): void {
    this.#material.expose((bytes) => bytes.fill(0, 0, this.#bytes));
    this.#runs = [];
    this.#bytes = 0;
    this.#last = undefined;
  }

  #makeRoom(length: number): void {
    const needed = this.#bytes + length;
    if (needed <= this.#material.lengthBytes) return;
    const larger = KeyMaterial.allocate(Math.max(needed, 2 * this.#material.lengthBytes));
    this.#material.expose((bytes) => larger.expose((room) => room.set(bytes.subarray(0, this.#bytes))));
    this.#material.erase();
    this.#material = larger;
  }
}
