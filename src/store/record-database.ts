/** The disk port for records: a sorted map of names to bytes whose batches are atomic and durable. LevelDB serves it. */

export type RecordOperation =
  | { readonly kind: "put"; readonly name: string; readonly value: Uint8Array }
  | { readonly kind: "delete"; readonly name: string };

export interface RecordDatabase {
  /** All records whose name begins with `prefix`, in order of names. */
  records(prefix: string): AsyncIterable<readonly [name: string, value: Uint8Array]>;
  get(name: string): Promise<Uint8Array | undefined>;
  /**
   * All operations or none; durable (on the medium, not in a cache) when it resolves.
   *
   * @throws QkdError STORE_FAILED  nothing more may be written on this handle: LevelDB accepts and loses later writes
   */
  write(operations: readonly RecordOperation[]): Promise<void>;
}
