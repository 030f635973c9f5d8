/** What a core file of a process would hold: all its writable memory, read while it stands still. */
import { closeSync, openSync, readFileSync, readSync } from "node:fs";

/** Above this lie V8's reservations; nothing that large is resident in a daemon. */
const REGION_BYTES_MAX = 256 * 1_048_576;

export interface MemoryRegion {
  /** `[heap]`, a file, or empty. */
  readonly name: string;
  readonly bytes: Buffer;
}

/** Of one's own child, or as root. The process stands still meanwhile, and goes on afterwards; not so this process itself. */
export function memoryImageOf(pid: number, { standsStill = true } = {}): readonly MemoryRegion[] {
  if (standsStill) process.kill(pid, "SIGSTOP");
  const memory = openSync(`/proc/${pid}/mem`, "r");
  try {
    return readFileSync(`/proc/${pid}/maps`, "utf8")
      .split("\n")
      .flatMap((line): readonly MemoryRegion[] => {
        const [, from, to, rights, name] = /^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+\s*(.*)$/.exec(line) ?? [];
        if (rights?.startsWith("rw") !== true || name!.startsWith("[v")) return [];
        const [start, end] = [Number(`0x${from}`), Number(`0x${to}`)];
        return end - start > REGION_BYTES_MAX ? [] : [{ name: name!, bytes: read(memory, start, end - start) }];
      });
  } finally {
    closeSync(memory);
    if (standsStill) process.kill(pid, "SIGCONT");
  }
}

/** Pages that were never touched read as zeros, or not at all. */
function read(memory: number, start: number, lengthBytes: number): Buffer {
  const bytes = Buffer.alloc(lengthBytes);
  try {
    for (let at = 0; at < lengthBytes;) {
      const count = readSync(memory, bytes, at, lengthBytes - at, start + at);
      if (count === 0) break;
      at += count;
    }
  } catch {
    // Not readable any more from here on.
  }
  return bytes;
}
