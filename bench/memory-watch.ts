/** The most memory that any of some processes has, looked at twice a second: the kernel keeps no such maximum by kinds. */
import { memoryOf } from "./process-cost.ts";

const LOOK_MS = 500;

export class MemoryWatch {
  readonly #pids: () => readonly number[];
  readonly #timer: NodeJS.Timeout;
  #ownBytes = 0;
  #residentBytes = 0;

  constructor(pids: () => readonly number[]) {
    this.#pids = pids;
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  /** Without the pages of LevelDB's files. */
  get ownBytes(): number {
    this.#look();
    return this.#ownBytes;
  }

  get residentBytes(): number {
    return this.#residentBytes;
  }

  end(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    for (const { ownBytes, storeBytes } of this.#pids().map(memoryOf)) {
      this.#ownBytes = Math.max(this.#ownBytes, ownBytes);
      this.#residentBytes = Math.max(this.#residentBytes, ownBytes + storeBytes);
    }
  }
}
