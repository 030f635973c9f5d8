/**
 * The bytes of chunks in quarantine that are still in memory: a segment is agreed a moment after its keys came, and need not
 * be read back from the disk for that. Bounded; what does not fit is read. Nothing here is proven equal yet, or in use.
 */
import type { KeyMaterial } from "../model/key-material.ts";
import type { ChunkName } from "../store/key-bag.ts";

export const READY_BYTES_MAX = 4 * 1_048_576;

export class ReadyChunks {
  readonly #materials = new Map<ChunkName, KeyMaterial>();
  #bytes = 0;

  /** Keeps the material, or erases it where there is no room. */
  put(chunk: ChunkName, material: KeyMaterial): void {
    const { lengthBytes } = material;
    if (this.#bytes + lengthBytes > READY_BYTES_MAX) return material.erase();
    this.#bytes += lengthBytes;
    this.#materials.set(chunk, material);
  }

  get(chunk: ChunkName): KeyMaterial | undefined {
    return this.#materials.get(chunk);
  }

  /** The chunk left quarantine. */
  drop(chunk: ChunkName): void {
    const material = this.#materials.get(chunk);
    if (material === undefined) return;
    this.#materials.delete(chunk);
    this.#bytes -= material.lengthBytes;
    material.erase();
  }

  clear(): void {
    for (const chunk of [...this.#materials.keys()]) this.drop(chunk);
  }
}
