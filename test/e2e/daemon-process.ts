/** One process of a test network, with its output in a file: started, ended, killed and started again by its own handle. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { LAUNCH_ENVIRONMENT, LAUNCH_OPTIONS } from "../../src/io/launch-options.ts";

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ProcessParts {
  readonly name: string;
  /** Of Node.js: a program and its words. */
  readonly words: readonly string[];
  /** Added to our environment. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Output of all its lives, one after the other. */
  readonly logFile: string;
}

/** Everything that these tests started and that has not ended. */
const living = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of living) child.kill("SIGKILL");
});
// The test runner ends a file that took too long with SIGTERM, and a person with SIGINT: their "exit" comes only so.
for (const [signal, code] of [
  ["SIGTERM", 143],
  ["SIGINT", 130],
] as const)
  process.once(signal, () => process.exit(code));

export class DaemonProcess {
  readonly name: string;
  readonly logFile: string;
  readonly #words: readonly string[];
  readonly #environment: NodeJS.ProcessEnv;
  #child: ChildProcess | undefined;
  #ended: Promise<Ended> = Promise.resolve({ code: null, signal: null });

  constructor({ name, words, environment, logFile }: ProcessParts) {
    this.name = name;
    this.logFile = logFile;
    this.#words = [...LAUNCH_OPTIONS, ...words];
    this.#environment = { ...LAUNCH_ENVIRONMENT, ...process.env, ...environment };
  }

  get running(): boolean {
    return this.#child !== undefined;
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error(`${this.name} is not running`);
    return pid;
  }

  /** All that it has said. */
  get log(): string {
    return readFileSync(this.logFile, "utf8");
  }

  start(): void {
    if (this.#child !== undefined) throw new Error(`${this.name} runs already`);
    const out = openSync(this.logFile, "a", 0o600);
    const child = spawn(process.execPath, this.#words, { env: this.#environment, stdio: ["ignore", out, out] });
    closeSync(out);
    living.add(child);
    this.#child = child;
    this.#ended = once(child, "exit").then(([code, signal]) => {
      living.delete(child);
      if (this.#child === child) this.#child = undefined;
      return { code: code as number | null, signal: signal as NodeJS.Signals | null };
    });
  }

  /** Until it has ended by itself. */
  get ended(): Promise<Ended> {
    return this.#ended;
  }

  /** Sends a signal and waits for the end. Nothing happens where it has ended before. */
  async end(signal: "SIGTERM" | "SIGKILL"): Promise<Ended> {
    this.#child?.kill(signal);
    return this.#ended;
  }

  /** Stands still, as a machine that swaps or a debugger would make it; its sockets stay open. */
  pause(): void {
    process.kill(this.pid, "SIGSTOP");
  }

  resume(): void {
    process.kill(this.pid, "SIGCONT");
  }
}

/**
 * Asks again and again until the answer is something.
 *
 * @throws Error  naming `what`, with what `explain` says, when `seconds` were not enough
 */
export async function until<Value>(
  what: string,
  ask: () => Promise<Value | undefined | false> | Value | undefined | false,
  {
    seconds = 30,
    everyMs = 100,
    explain = () => "",
  }: { seconds?: number; everyMs?: number; explain?: () => string } = {},
): Promise<Value> {
  const deadline = performance.now() + 1000 * seconds;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > deadline) throw new Error(`not within ${seconds} s: ${what}\n${explain()}`);
    await sleep(everyMs);
  }
}
