/** The demo as a newcomer starts it, in a process of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

export const MAIN = fileURLToPath(new URL("../../src/daemon/main.ts", import.meta.url));

export interface DemoJson {
  readonly ca: string;
  readonly nodes: readonly {
    readonly id: string;
    readonly etsi014: string;
    readonly metrics: string;
    readonly operator: string;
    readonly pid: number;
    readonly dataDir: string;
  }[];
  readonly saes: readonly { readonly id: string; readonly node: string; readonly cert: string; readonly key: string }[];
  readonly links: readonly (readonly [string, string])[];
  readonly emulator: { readonly pid: number };
}

export class DemoProcess {
  readonly folder: string;
  readonly #child: ChildProcess;
  readonly exitCode: Promise<number | null>;
  output = "";

  constructor(folder: string, ...words: readonly string[]) {
    this.folder = folder;
    // Another working folder than ours: nothing may depend on it.
    this.#child = spawn(process.execPath, [MAIN, "demo", "--data", folder, ...words], { cwd: "/" });
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.setEncoding("utf8").on("data", (text: string) => (this.output += text));
    }
    this.exitCode = once(this.#child, "close").then(([code]) => code as number | null);
  }

  /** Waits until it has printed `text`. */
  async printed(text: string, seconds = 60): Promise<void> {
    for (const end = performance.now() + 1000 * seconds; !this.output.includes(text); await sleep(50)) {
      if (this.#child.exitCode !== null || performance.now() > end) {
        throw new Error(`"${text}" was not printed; this was:\n${this.output}`);
      }
    }
  }

  json(): DemoJson {
    return JSON.parse(readFileSync(join(this.folder, "demo.json"), "utf8")) as DemoJson;
  }

  /** What it prints for a second terminal. */
  curlLines(): string {
    return this.output
      .split("\n")
      .filter((line) => /^(K=\$\()?curl /.test(line))
      .join("\n");
  }

  async end(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    if (this.#child.exitCode === null) this.#child.kill(signal);
    return this.exitCode;
  }
}

/** Whether a process of this number is there; a zombie is none. */
export function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
}
