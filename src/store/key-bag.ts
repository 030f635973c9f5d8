/**
 * The key bag: the data keys of all chunks, wrapped, in one small file outside LevelDB.
 *
 * LevelDB does not erase (deleted values stay in its files), so what must become unreadable is only ever stored sealed
 * under a data key, and the data key is overwritten here. Wrapped by KEK = HKDF(root, nv): `nv` lies outside the data
 * folder and is new at each re-wrap, so that earlier copies of this file are dead after one (DESIGN: store).
 *
 *  file    offset 0: header, 72 bytes     "QKBG" | version u16 | kind u16 | store id 16 | wrap epoch u32 | zero 44
 *                                         kind: 0 where nv is in a file, 1 where it was in memory only
 *          offset 72 (1 + i): slot i      chunk name 8 | nonce 12 | AES-256-GCM(data key) 32 | its tag 16 | zero 4
 *          A free slot is all zero. Associated data of the wrapping: header bytes 0 to 27, chunk name.
 *
 * A re-wrap writes, in this order: nv file with the present nv and the next; bag of the next epoch in place of the
 * present one; nv file with the next alone. After a crash the nv file has that of whichever bag is there, and what is
 * too much of it goes at the next start.
 */
import { isQkdError, QkdError } from "../model/errors.ts";
import type { KeyMaterial } from "../model/key-material.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Random } from "../runtime/random.ts";
import { freshNv, loadNv, storeNv } from "./nv.ts";
import type { SlotChange, SlotFile } from "./slot-file.ts";
import { chunkIn, decodeHeader, encodeHeader, SLOT_BYTES, Wrapping } from "./wrapping.ts";

/** The name of a chunk and of its data key: 16 hex digits, never used twice in a store. */
export type ChunkName = string & { readonly brand: "ChunkName" };

export interface KeyBag {
  has(chunk: ChunkName): boolean;
  chunks(): IterableIterator<ChunkName>;
  /** @throws QkdError STORE_DAMAGED when the slot does not verify; undefined when the data key was destroyed */
  dataKey(chunk: ChunkName): KeyMaterial | undefined;
  /** Durable when it resolves. */
  add(entries: readonly { readonly chunk: ChunkName; readonly dataKey: KeyMaterial }[]): Promise<void>;
  /** Overwrites the data keys; durable when it resolves. Unknown names are passed over. */
  destroy(chunks: readonly ChunkName[]): Promise<void>;
  /** Erases the wrapping key, and forgets all data keys: nothing is read, added or wrapped anew any more. The files stay. */
  forget(): void;
  readonly wrapEpoch: number;
  /** Data keys destroyed since the present wrapping began: earlier copies of the file still have them. */
  readonly destroyedSinceWrap: number;
  /** Takes the place of one that was begun and not finished. */
  beginRewrap(): Rewrap;
}

/** A wrapping of all data keys under a new key, which is prepared in pieces while the bag is used as before. */
export interface Rewrap {
  /** Wraps up to `countMax` data keys anew, in memory. @returns whether there are more */
  step(countMax: number): boolean;
  /**
   * Puts the new wrapping in the place of the present one; earlier copies of the bag are dead when it resolves. Nobody
   * may add or destroy meanwhile.
   *
   * @returns chunks whose slots did not verify: their data keys are gone
   */
  finish(): Promise<readonly ChunkName[]>;
}

export interface KeyBagParts {
  readonly file: SlotFile;
  /** Undefined where nv is kept in memory only: all that an earlier process left is unreadable. */
  readonly nv: SlotFile | undefined;
  readonly root: KeyMaterial;
  readonly storeId: string;
  readonly random: Random;
  readonly log: Logger;
  /** The records are new: whatever the files hold belongs to no store any more, and is overwritten. */
  readonly storeIsNew: boolean;
}

/** @throws QkdError STORE_DAMAGED when the file is none of this store's, VERSION_MISMATCH when it is of another format */
export async function openKeyBag(parts: KeyBagParts): Promise<KeyBag> {
  const image = await parts.file.load();
  if (parts.storeIsNew || image.length === 0) {
    if (!parts.storeIsNew) {
      parts.log.error(
        "the key bag is missing: nothing of this store's stock can be read any more, all of it is burned",
      );
    }
    return freshBag(parts, 1);
  }
  const header = decodeHeader(image.subarray(0, SLOT_BYTES));
  if (header.storeId !== parts.storeId) throw new QkdError("STORE_DAMAGED", "the key bag belongs to another store", {});
  if (header.ephemeral || parts.nv === undefined) {
    const dataKeys = slotsIn(image).filter(([chunk]) => chunk !== undefined).length;
    parts.log.warn("the stock of the last life is burned: its sealing key was, or is to be, in memory only", {
      dataKeys,
    });
    return freshBag(parts, header.wrapEpoch + 1);
  }
  const { nv, count } = await loadNv(parts.nv, header.wrapEpoch);
  if (count > 1) await storeNv(parts.nv, [{ wrapEpoch: header.wrapEpoch, nv }]);
  const wrapping = new Wrapping(header, { ...parts, nv });
  nv.erase();
  return new OpenKeyBag(parts, wrapping, image);
}

async function freshBag(parts: KeyBagParts, wrapEpoch: number): Promise<KeyBag> {
  using nv = freshNv(parts.random);
  const header = { storeId: parts.storeId, wrapEpoch, ephemeral: parts.nv === undefined };
  if (parts.nv !== undefined) await storeNv(parts.nv, [{ wrapEpoch, nv }]);
  const image = encodeHeader(header);
  await parts.file.replace(image);
  return new OpenKeyBag(parts, new Wrapping(header, { ...parts, nv }), image);
}

interface Slot {
  readonly index: number;
  readonly wrapped: Uint8Array;
}

class OpenKeyBag implements KeyBag {
  readonly #parts: KeyBagParts;
  #wrapping: Wrapping;
  #slots = new Map<ChunkName, Slot>();
  #free: number[] = [];
  #slotCount: number;
  #destroyedSinceWrap = 0;
  #next: NextWrapping | undefined;
  #forgotten = false;

  constructor(parts: KeyBagParts, wrapping: Wrapping, image: Uint8Array) {
    this.#parts = parts;
    this.#wrapping = wrapping;
    const slots = slotsIn(image);
    this.#slotCount = slots.length;
    slots.forEach(([chunk, wrapped], index) => {
      if (chunk === undefined) this.#free.push(index);
      else this.#slots.set(chunk, { index, wrapped });
    });
    this.#free.reverse();
  }

  get wrapEpoch(): number {
    return this.#wrapping.header.wrapEpoch;
  }

  get destroyedSinceWrap(): number {
    return this.#destroyedSinceWrap;
  }

  has(chunk: ChunkName): boolean {
    return this.#slots.has(chunk);
  }

  chunks(): IterableIterator<ChunkName> {
    return this.#slots.keys();
  }

  dataKey(chunk: ChunkName): KeyMaterial | undefined {
    const slot = this.#slots.get(chunk);
    return slot === undefined ? undefined : this.#wrapping.unwrap(slot.wrapped);
  }

  async add(entries: readonly { readonly chunk: ChunkName; readonly dataKey: KeyMaterial }[]): Promise<void> {
    const changes = entries.map(({ chunk, dataKey }) => {
      const index = this.#free.pop() ?? this.#slotCount++;
      const wrapped = this.#wrapping.wrap(chunk, dataKey);
      this.#slots.set(chunk, { index, wrapped });
      return { offset: offsetOf(index), bytes: wrapped };
    });
    await this.#parts.file.overwrite(inOrder(changes));
  }

  async destroy(chunks: readonly ChunkName[]): Promise<void> {
    const changes: SlotChange[] = [];
    const freed: number[] = [];
    for (const chunk of chunks) {
      const slot = this.#slots.get(chunk);
      if (slot === undefined) continue;
      this.#slots.delete(chunk);
      this.#next?.drop(chunk);
      slot.wrapped.fill(0);
      changes.push({ offset: offsetOf(slot.index), bytes: slot.wrapped });
      freed.push(slot.index);
    }
    this.#destroyedSinceWrap += changes.length;
    if (changes.length > 0) await this.#parts.file.overwrite(inOrder(changes));
    this.#free.push(...freed);
  }

  forget(): void {
    this.#forgotten = true;
    this.#next?.erase();
    this.#wrapping.erase();
    for (const { wrapped } of this.#slots.values()) wrapped.fill(0);
    this.#slots.clear();
  }

  /** A re-wrap that is under way would bring all back: each of its steps on the disk asks. */
  #mustBeKept(): void {
    if (this.#forgotten) throw new QkdError("STORE_FAILED", "the key bag was zeroized", {});
  }

  beginRewrap(): Rewrap {
    this.#next?.erase();
    const next = new NextWrapping(this.#parts, this.#wrapping, this.#slots);
    this.#next = next;
    return {
      step: (countMax) => next.step(countMax),
      finish: () => this.#finish(next),
    };
  }

  async #finish(next: NextWrapping): Promise<readonly ChunkName[]> {
    const { file, nv: nvFile } = this.#parts;
    this.#mustBeKept();
    next.complete(this.#slots);
    const { wrapEpoch } = this;
    const entry = { wrapEpoch: next.wrapping.header.wrapEpoch, nv: next.nv };
    if (nvFile !== undefined) {
      const { nv } = await loadNv(nvFile, wrapEpoch);
      this.#mustBeKept();
      await storeNv(nvFile, [{ wrapEpoch, nv }, entry]);
      nv.erase();
    }
    this.#mustBeKept();
    const image = next.image();
    await file.replace(image);
    this.#mustBeKept();
    this.#wrapping.erase();
    this.#wrapping = next.wrapping;
    this.#slots = new Map([...next.slots].map(([chunk, wrapped], index) => [chunk, { index, wrapped }]));
    this.#slotCount = this.#slots.size;
    this.#free = [];
    this.#destroyedSinceWrap = 0;
    this.#next = undefined;
    if (nvFile !== undefined) await storeNv(nvFile, [entry]); // from here on earlier copies are dead
    next.nv.erase();
    return next.lost;
  }
}

/** The data keys under the key of the epoch to come, in memory only. */
class NextWrapping {
  readonly nv: KeyMaterial;
  readonly wrapping: Wrapping;
  readonly slots = new Map<ChunkName, Uint8Array>();
  readonly lost: ChunkName[] = [];
  readonly #present: Wrapping;
  /** Sees what is added while it runs. */
  readonly #rest: Iterator<readonly [ChunkName, Slot]>;

  constructor(parts: KeyBagParts, present: Wrapping, slots: ReadonlyMap<ChunkName, Slot>) {
    this.nv = freshNv(parts.random);
    this.wrapping = new Wrapping(
      { ...present.header, wrapEpoch: present.header.wrapEpoch + 1 },
      { ...parts, nv: this.nv },
    );
    this.#present = present;
    this.#rest = slots.entries();
  }

  step(countMax: number): boolean {
    for (let count = 0; count < countMax; count++) {
      const next = this.#rest.next();
      if (next.done === true) return false;
      this.#wrap(...next.value);
    }
    return true;
  }

  /** What no step came to. */
  complete(slots: ReadonlyMap<ChunkName, Slot>): void {
    const lost = new Set(this.lost);
    for (const [chunk, slot] of slots) if (!this.slots.has(chunk) && !lost.has(chunk)) this.#wrap(chunk, slot);
  }

  #wrap(chunk: ChunkName, { wrapped }: Slot): void {
    try {
      using dataKey = this.#present.unwrap(wrapped);
      this.slots.set(chunk, this.wrapping.wrap(chunk, dataKey));
    } catch (failure) {
      if (!isQkdError(failure, "STORE_DAMAGED")) throw failure;
      this.lost.push(chunk); // whoever reads it finds it gone, and burns it
    }
  }

  drop(chunk: ChunkName): void {
    this.slots.get(chunk)?.fill(0);
    this.slots.delete(chunk);
    const at = this.lost.indexOf(chunk);
    if (at >= 0) this.lost.splice(at, 1);
  }

  image(): Uint8Array {
    const image = new Uint8Array(SLOT_BYTES * (1 + this.slots.size));
    image.set(encodeHeader(this.wrapping.header));
    let at = SLOT_BYTES;
    for (const wrapped of this.slots.values()) {
      image.set(wrapped, at);
      at += SLOT_BYTES;
    }
    return image;
  }

  erase(): void {
    this.nv.erase();
    this.wrapping.erase();
  }
}

/** Slots side by side are one write of the file. */
const inOrder = (changes: SlotChange[]): SlotChange[] => changes.sort((one, other) => one.offset - other.offset);

const offsetOf = (index: number): number => SLOT_BYTES * (1 + index);

function slotsIn(image: Uint8Array): (readonly [chunk: ChunkName | undefined, slot: Uint8Array])[] {
  return Array.from({ length: Math.floor(image.length / SLOT_BYTES) - 1 }, (_, i) => {
    const slot = image.slice(offsetOf(i), offsetOf(i + 1));
    return [chunkIn(slot) as ChunkName | undefined, slot] as const;
  });
}
