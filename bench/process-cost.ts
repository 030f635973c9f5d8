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
  /** The most that it has had since it started, with the pages of files that it reads by mapping: its program, LevelDB's tables. */
  readonly peakBytes: number;
  /** What it has now without these: heap, buffers, caches. */
  readonly ownBytes: number;
}

export function memoryOf(pid: number): ProcessMemory {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const bytes = (name: string): number => KIB * Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]);
  return { peakBytes: bytes("VmHWM"), ownBytes: bytes("RssAnon") };
}
