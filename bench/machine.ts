/** The machine that the figures are of. */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { medianOf } from "./scenario.ts";

export interface Machine {
  readonly cores: number;
  readonly processor: string;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly nodeJs: string;
}

/** Who else was at work on the machine when a scenario began. */
export interface Surroundings {
  /** Processes that wanted a core in the minute before. */
  readonly loadAverage: number;
  /** How long the disk takes to make a small record durable: no `dec_keys` can be quicker. */
  readonly flushMs: { readonly median: number; readonly max: number };
}

export function thisMachine(): Machine {
  return {
    cores: availableParallelism(),
    processor: cpus()[0]?.model.trim() ?? "unknown",
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    nodeJs: process.version,
  };
}

export function surroundings(): Surroundings {
  return { loadAverage: loadavg()[0]!, flushMs: flushMs() };
}

const FLUSHES = 64;
const RECORD_BYTES = 256;

/** Where the stores of a bench lie. */
function flushMs(): Surroundings["flushMs"] {
  const folder = mkdtempSync(join(tmpdir(), "qkdnd-bench-"));
  const file = openSync(join(folder, "flushes"), "w");
  try {
    const ms = Array.from({ length: FLUSHES }, () => {
      writeSync(file, new Uint8Array(RECORD_BYTES));
      const begun = performance.now();
      fdatasyncSync(file);
      return performance.now() - begun;
    });
    return { median: medianOf(ms), max: Math.max(...ms) };
  } finally {
    closeSync(file);
    rmSync(folder, { recursive: true });
  }
}
