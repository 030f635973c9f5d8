/** What processes cost, as Linux counts it: processor time, and memory with everything outside V8's heap. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

const TICKS_PER_SECOND = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));
const KIB = 1024;

/** User and system time since it started. Counted in ticks of 10 ms: too coarse for windows under a second. */
export function processorSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The name of the program comes second, in parentheses, and may hold blanks.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

export interface ProcessMemory {
  /** Heap, buffers, stacks, the program and its libraries: all that is resident, but for LevelDB's files. */
  readonly ownBytes: number;
  /** Pages of LevelDB's files that it reads by mapping: of the system's page cache, which takes them back when it needs them. */
  readonly storeBytes: number;
}

export function memoryOf(pid: number): ProcessMemory {
  const memory = { ownBytes: 0, storeBytes: 0 };
  let kind: keyof ProcessMemory = "ownBytes";
  for (const line of readFileSync(`/proc/${pid}/smaps`, "utf8").split("\n")) {
    const resident = /^Rss:\s+(\d+) kB$/.exec(line);
    if (resident !== null) memory[kind] += KIB * Number(resident[1]);
    else if (/^[0-9a-f]+-[0-9a-f]+ /.test(line)) kind = /\.ldb( \(deleted\))?$/.test(line) ? "storeBytes" : "ownBytes";
  }
  return memory;
}
