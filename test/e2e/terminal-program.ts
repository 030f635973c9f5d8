/** A program at a pseudo-terminal of its own, as a person would have it: its screen as bytes, and keys to press. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, openSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { type Pty, openPty } from "../../src/emulator/pty.ts";

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

export class TerminalProgram {
  readonly #pty: Pty;
  readonly #child: ChildProcess;
  readonly exitCode: Promise<number | null>;
  /** All that was written to the terminal. */
  output = "";

  constructor(pty: Pty, child: ChildProcess) {
    this.#pty = pty;
    this.#child = child;
    this.exitCode = once(child, "exit").then(([code]) => code as number | null);
    void this.#listen();
  }

  /** @param words  of Node.js: a program and its words */
  static async start(
    words: readonly string[],
    { columns, rows }: TerminalSize,
    environment: Readonly<Record<string, string>> = {},
  ): Promise<TerminalProgram> {
    const pty = await openPty();
    execFileSync("stty", ["-F", pty.terminal, "rows", String(rows), "cols", String(columns)]);
    const terminal = openSync(pty.terminal, constants.O_RDWR | constants.O_NOCTTY);
    const env = { ...process.env, TERM: "xterm", ...environment };
    const child = spawn(process.execPath, words, { stdio: [terminal, terminal, terminal], cwd: "/", env });
    closeSync(terminal);
    return new TerminalProgram(pty, child);
  }

  async press(key: string): Promise<void> {
    await this.#pty.write(Buffer.from(key));
  }

  async resize({ columns, rows }: TerminalSize): Promise<void> {
    execFileSync("stty", ["-F", this.#pty.terminal, "rows", String(rows), "cols", String(columns)]);
    this.#child.kill("SIGWINCH"); // the terminal is nobody's controlling one, so nobody is told
    await sleep(0);
  }

  /** Waits until `text` was written after the first `from` characters. @returns where it ends */
  async shows(text: string, { from = 0, seconds = 60 } = {}): Promise<number> {
    for (const end = performance.now() + 1000 * seconds; ; await sleep(50)) {
      const at = this.output.indexOf(text, from);
      if (at >= 0) return at + text.length;
      if (this.#child.exitCode !== null || performance.now() > end) {
        throw new Error(`"${text}" was not shown; this was:\n${this.output.slice(from)}`);
      }
    }
  }

  /** Ends it if it still runs, and gives the terminal back. */
  async close(): Promise<void> {
    if (this.#child.exitCode === null) this.#child.kill("SIGTERM");
    await this.exitCode;
    this.#pty.close();
  }

  async #listen(): Promise<void> {
    try {
      for (;;) this.output += Buffer.from(await this.#pty.read()).toString("utf8");
    } catch {
      // It is closed.
    }
  }
}
