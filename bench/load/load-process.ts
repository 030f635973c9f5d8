/** A load in a process of its own: what it costs is not taken for the daemon's, and its event loop is not the bench's. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { LoadOrder, LoadResult, LoadSetup } from "./load-protocol.ts";

const PROGRAM = fileURLToPath(new URL("main.ts", import.meta.url));

export class LoadProcess {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  constructor(setup: LoadSetup) {
    this.#child = spawn(process.execPath, [PROGRAM], { stdio: ["pipe", "pipe", "inherit"] });
    this.#answers = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
    this.#say(setup);
  }

  /** @throws Error when the process has ended */
  async run(order: LoadOrder): Promise<LoadResult> {
    this.#say(order);
    const line = await this.#answers.next();
    if (line.done === true) throw new Error("the load process has ended");
    return JSON.parse(line.value) as LoadResult;
  }

  /** The process reads that nothing more will come, and ends. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.stdin!.end();
    await ended;
  }

  #say(line: LoadSetup | LoadOrder): void {
    this.#child.stdin!.write(`${JSON.stringify(line)}\n`);
  }
}
