/** A database in memory that behaves as LevelDB does towards its users' bytes. */
import { MemoryLevel } from "memory-level";

/** memory-level would keep the very arrays that it is given and give them out again; these are copied both ways. */
const copiedBytes = {
  name: "copied-bytes",
  format: "view",
  encode: (bytes: Uint8Array) => bytes.slice(),
  decode: (bytes: Uint8Array) => bytes.slice(),
} as const;

export function createMemoryLevel(): MemoryLevel<string, Uint8Array> {
  return new MemoryLevel<string, Uint8Array>({
    keyEncoding: "utf8",
    valueEncoding: copiedBytes,
    storeEncoding: "view",
  });
}
