/** A process of the demo: started, watched, started again when it dies by itself, stopped on request, ended with the demo. */
import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { LAUNCH_ENVIRONMENT, LAUNCH_OPTIONS } from "../io/launch-options.ts";
import type { Clock } from "../runtime/clock.ts";

export interface ChildProgram {
  readonly name: string;
  /** The TypeScript file to run, and its arguments. */
  readonly entry: string;
  readonly words: readonly string[];
  readonly logFile: string;
  /** It prints a line when it is ready. */
  readonly printsReady: boolean;
}

export interface ChildListener {
  started(): void;
  /** It ended by itself, for the reason given. */
  ended(reason: string, restartInMs: number): void;
}

const BACKOFF_MIN_MS = 500;
const BACKOFF_MAX_MS = 8_000;
/** Whoever lived so long begins with the shortest wait again. */
const LIVED_WELL_MS = 20_000;
const ENDING_MS_MAX = 7_000;
const LOG_LINES_SHOWN = 8;

const END_WITH_PARENT = import.meta.resolve("./end-with-parent.ts");
const NODE_OPTIONS = [...LAUNCH_OPTIONS, "--import", END_WITH_PARENT];
const ENVIRONMENT = { ...LAUNCH_ENVIRONMENT, ...process.env };

/** A process of the demo could not begin; the message says which, why, and where its log is. */
export class StartFailure extends Error {
  /** That of the process; undefined where it had none, or where nobody ended. */
  readonly exitCode: number | undefined;

  constructor(sentence: string, exitCode?: number) {
    super(sentence);
    this.exitCode = exitCode;
  }
}

export class DemoChild {
  readonly program: ChildProgram;
  /** Resolves when the program has printed that it is ready. */
  readonly ready: Promise<void>;
  /** Rejects when the program ends by itself before `keep` was called. */
  readonly failed: Promise<never>;
  readonly #listener: ChildListener;
  readonly #clock: Clock;
  readonly #settle: { readonly ready: () => void; readonly failed: (failure: Error) => void };
  #running: ChildProcess | undefined;
  #exited: Promise<void> = Promise.resolve();
  #cancelRestart: () => void = () => undefined;
  #restarts = false;
  #isStopped = false;
  #stopping: Promise<void> = Promise.resolve();
  #ending = false;
  #backoffMs = BACKOFF_MIN_MS;
  #startedAt = 0;

  /** Starts it; whoever does so ends it. */
  constructor(program: ChildProgram, listener: ChildListener, clock: Clock) {
    this.program = program;
    this.#listener = listener;
    this.#clock = clock;
    const ready = Promise.withResolvers<void>();
    const failed = Promise.withResolvers<never>();
    this.ready = ready.promise;
    this.failed = failed.promise;
    this.failed.catch(() => undefined); // nobody has to listen
    this.#settle = { ready: ready.resolve, failed: failed.reject };
    this.#start();
  }

  get pid(): number | undefined {
    return this.#running?.pid;
  }

  /** Why it does not run, in a word; undefined while it runs. */
  get absence(): string | undefined {
    if (this.#isStopped) return "stopped";
    return this.#running === undefined ? "ended" : undefined;
  }

  /** From now on it is started again when it ends by itself. */
  keep(): void {
    this.#restarts = true;
    if (this.#running === undefined && !this.#ending) this.#start();
  }

  /** Asks it to end, and makes it; it stays down until `startAgain`. Resolves when it is gone. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#stopping = this.#endRunning();
    await this.#stopping;
  }

  /** Does nothing while it runs. */
  async startAgain(): Promise<void> {
    await this.#stopping;
    this.#isStopped = false;
    if (this.#running !== undefined || this.#ending) return;
    this.#cancelRestart();
    this.#start();
  }

  /** Asks it to end, and makes it, for good; resolves when it is gone. */
  async end(): Promise<void> {
    this.#ending = true;
    await this.#endRunning();
  }

  /** Ends it at once, as if it had died by itself; resolves when it is gone. */
  async crash(): Promise<void> {
    this.kill();
    await this.#exited;
  }

  /** Ends it at once. */
  kill(): void {
    this.#running?.kill("SIGKILL");
  }

  async #endRunning(): Promise<void> {
    this.#cancelRestart();
    this.#running?.kill("SIGTERM");
    const cancel = this.#clock.after(ENDING_MS_MAX, () => this.kill());
    await this.#exited;
    cancel();
  }

  #start(): void {
    const { entry, words, logFile, printsReady } = this.program;
    const log = openSync(logFile, "a", 0o600);
    const stdio: StdioOptions = ["pipe", printsReady ? "pipe" : log, log];
    // A group of its own: Ctrl-C at the terminal is for the demo, which then ends everybody in order.
    const options = { env: ENVIRONMENT, stdio, detached: true } as const;
    const child = spawn(process.execPath, [...NODE_OPTIONS, entry, ...words], options);
    closeSync(log);
    this.#running = child;
    this.#startedAt = this.#clock.monotonic();
    this.#exited = new Promise((resolve) => {
      child.once("error", (failure) => this.#ended({ child, reason: failure.message, code: null }, resolve));
      child.once("exit", (code, signal) =>
        this.#ended({ child, reason: signal ?? `exit code ${code}`, code }, resolve),
      );
    });
    child.stdin?.on("error", () => undefined);
    child.stdout?.once("data", () => this.#settle.ready());
    child.stdout?.resume();
    this.#listener.started();
  }

  #ended(
    { child, reason, code }: { readonly child: ChildProcess; readonly reason: string; readonly code: number | null },
    resolve: () => void,
  ): void {
    if (this.#running !== child) return;
    this.#running = undefined;
    resolve();
    if (this.#ending || this.#isStopped) return;
    if (!this.#restarts) {
      this.#settle.failed(new StartFailure(this.#obituary(reason), code ?? undefined));
      return;
    }
    this.#again(reason);
  }

  #again(reason: string): void {
    if (this.#clock.monotonic() - this.#startedAt > LIVED_WELL_MS) this.#backoffMs = BACKOFF_MIN_MS;
    this.#listener.ended(reason, this.#backoffMs);
    this.#cancelRestart = this.#clock.after(this.#backoffMs, () => this.#start());
    this.#backoffMs = Math.min(2 * this.#backoffMs, BACKOFF_MAX_MS);
  }

  #obituary(reason: string): string {
    const { name, logFile } = this.program;
    const lines = readFileSync(logFile, "utf8").trimEnd().split("\n").slice(-LOG_LINES_SHOWN);
    return [`${name} ended (${reason}); the last lines of ${logFile}:`, ...lines.map((line) => `  ${line}`)].join("\n");
  }
}
