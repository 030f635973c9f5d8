/** The disk port for the key bag: one small file that is overwritten in place, outside the database, so that it erases. */

export interface SlotChange {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

export interface SlotFile {
  /** The whole file; empty when it does not exist yet. */
  load(): Promise<Uint8Array>;
  /**
   * Overwrites in place (growing the file with zeros as needed). Durable when it resolves; after a crash any of the
   * changes may be there and any may not.
   *
   * @throws QkdError STORE_FAILED  the process must end
   */
  overwrite(changes: readonly SlotChange[]): Promise<void>;
  /** Replaces the whole file at once: after a crash it is the old one or the new one. Durable when it resolves. */
  replace(bytes: Uint8Array): Promise<void>;
}
