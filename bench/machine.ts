/** The machine that the figures are of. */
import { availableParallelism, cpus, loadavg, release, totalmem } from "node:os";

export interface Machine {
  readonly cores: number;
  readonly processor: string;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly nodeJs: string;
  /** Of the minute before the bench: others who were at work on it. */
  readonly loadAverageBefore: number;
}

export function thisMachine(): Machine {
  return {
    cores: availableParallelism(),
    processor: cpus()[0]?.model.trim() ?? "unknown",
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    nodeJs: process.version,
    loadAverageBefore: loadNow(),
  };
}

/** Processes that wanted a core in the last minute. */
export const loadNow = (): number => loadavg()[0]!;
