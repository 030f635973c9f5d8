/** What is to become durable together: chunks to seal, records, data keys to destroy, ledger moves. */
import { createCipheriv } from "node:crypto";
import { giveBack, type KeyMaterial } from "../model/key-material.ts";
import type { ChunkName } from "./key-bag.ts";
import type { LedgerMove } from "./ledger.ts";
import type { RecordOperation } from "./record-database.ts";
import type { RecordValue } from "./store-record.ts";

export const CHUNK_PREFIX = "chunk/";
export const CHUNK_TAG_BYTES = 16;
export const CHUNK_NONCE = new Uint8Array(12); // a data key seals one chunk, once: any nonce serves
export const CHUNK_VERSION = 1;

export interface SealedChunk {
  readonly chunk: ChunkName;
  readonly lengthBytes: number;
}

/** Binds a chunk's bytes to its name and its store. */
export function chunkContext(storeId: string, chunk: ChunkName, version = CHUNK_VERSION): Uint8Array {
  return new TextEncoder().encode(`qkdnd chunk ${version} ${storeId} ${chunk}`);
}

export interface TransactionParts {
  readonly storeId: string;
  readonly nextChunk: () => ChunkName;
  readonly freshDataKey: () => KeyMaterial;
}

/** A record as its room knows it: it is encoded when its group is written, so the value must not change any more. */
export interface RecordPut {
  readonly kind: "put-value";
  readonly name: string;
  readonly value: RecordValue;
}

export class Transaction {
  readonly operations: (RecordOperation | RecordPut)[] = [];
  readonly dataKeys: { readonly chunk: ChunkName; readonly dataKey: KeyMaterial }[] = [];
  readonly destroyed: ChunkName[] = [];
  readonly moves: LedgerMove[] = [];
  sealedBytes = 0;
  readonly #sealed: Uint8Array<ArrayBuffer>[] = [];
  readonly #parts: TransactionParts;

  constructor(parts: TransactionParts) {
    this.#parts = parts;
  }

  /**
   * Seals `parts`, one after the other, as one chunk under a data key of its own (AES-256-GCM). They are not erased.
   *
   *  record: version u8 | ciphertext | tag 16
   */
  seal(parts: readonly Uint8Array[]): SealedChunk {
    const chunk = this.#parts.nextChunk();
    const dataKey = this.#parts.freshDataKey();
    const lengthBytes = parts.reduce((sum, part) => sum + part.length, 0);
    const record = new Uint8Array(1 + lengthBytes + CHUNK_TAG_BYTES);
    record[0] = CHUNK_VERSION;
    const cipher = dataKey.expose((bytes) => createCipheriv("aes-256-gcm", bytes, CHUNK_NONCE));
    cipher.setAAD(chunkContext(this.#parts.storeId, chunk));
    let at = 1;
    for (const part of parts) {
      const ciphertext = cipher.update(part);
      record.set(ciphertext, at);
      giveBack(ciphertext);
      at += part.length;
    }
    cipher.final();
    record.set(cipher.getAuthTag(), at);
    this.operations.push({ kind: "put", name: CHUNK_PREFIX + chunk, value: record });
    this.dataKeys.push({ chunk, dataKey });
    this.sealedBytes += lengthBytes;
    this.#sealed.push(record);
    return { chunk, lengthBytes };
  }

  /** The database has taken the bytes of the chunks: their memory is given back. */
  written(): void {
    for (const record of this.#sealed.splice(0)) giveBack(record);
  }

  put(name: string, value: RecordValue): this {
    this.operations.push({ kind: "put-value", name, value });
    return this;
  }

  delete(name: string): this {
    this.operations.push({ kind: "delete", name });
    return this;
  }

  /** Makes a chunk unreadable: its record goes with this transaction's records, its data key right after them. */
  destroy(chunks: Iterable<ChunkName>): this {
    for (const chunk of chunks) {
      this.operations.push({ kind: "delete", name: CHUNK_PREFIX + chunk });
      this.destroyed.push(chunk);
    }
    return this;
  }

  move(move: LedgerMove): this {
    this.moves.push(move);
    return this;
  }
}
