/** One module at its pseudo-terminal: carries bytes between the terminal and the module's dialogue, and spoils them. */
import { HEARTBEAT_MS } from "../../drivers/serial-frame/session.ts";
import { sentenceOf } from "../model/errors.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Random } from "../runtime/random.ts";
import type { Scope } from "../runtime/scope.ts";
import type { ModuleEnd } from "./module-end.ts";
import { openPty, type Pty } from "./pty.ts";
import { nameTerminal, unnameTerminal } from "./terminal-name.ts";

export interface ModuleLineParts {
  readonly module: ModuleEnd;
  /** The name under which hosts find the terminal. */
  readonly path: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

const GARBAGE_BYTES_MAX = 2000;
/** Garbage goes into the middle of a frame that is at least so long. */
const LONG_FRAME_BYTES = 64;

/** @throws Error when no terminal can be had, or its name is taken by a file */
export async function openModuleLine(parts: ModuleLineParts, scope: Scope): Promise<ModuleLine> {
  const line = new ModuleLine(parts, scope);
  scope.defer("unplug", () => line.unplug());
  await line.plug();
  return line;
}

export class ModuleLine {
  readonly #parts: ModuleLineParts;
  readonly #scope: Scope;
  #pty: Pty | undefined;
  /** The terminal that the name points to. */
  #named: string | undefined;
  #cancelTick: () => void = () => undefined;
  #isStalled = false;
  #garbage: "none" | "before a frame" | "amid a frame" = "none";
  #wakeWriter: () => void = () => undefined;

  constructor(parts: ModuleLineParts, scope: Scope) {
    this.#parts = parts;
    this.#scope = scope;
    const end = (): void => {
      this.#cancelTick();
      this.#hangUp();
    };
    scope.signal.addEventListener("abort", end, { once: true });
    this.#tickLater();
  }

  get isPlugged(): boolean {
    return this.#pty !== undefined;
  }

  get isStalled(): boolean {
    return this.#isStalled;
  }

  /** A new terminal under the same name. Does nothing when there is one. */
  async plug(): Promise<void> {
    if (this.#pty !== undefined) return;
    const { path } = this.#parts;
    const pty = await openPty();
    try {
      await nameTerminal(path, pty.terminal);
    } catch (error) {
      pty.close();
      throw error;
    }
    this.#pty = pty;
    this.#named = pty.terminal;
    this.#parts.module.reset();
    this.#scope.spawn(`read ${path}`, () => this.#untilUnplugged(pty, this.#read(pty)));
    this.#scope.spawn(`write ${path}`, () => this.#untilUnplugged(pty, this.#write(pty)));
  }

  /** The host's line hangs up, and the terminal's name goes away. */
  async unplug(): Promise<void> {
    this.#hangUp();
    const terminal = this.#named;
    this.#named = undefined;
    if (terminal !== undefined) await unnameTerminal(this.#parts.path, terminal);
  }

  /** While stalled, the module neither reads nor writes: its line stays open. */
  setStalled(isStalled: boolean): void {
    this.#isStalled = isStalled;
    this.wake();
  }

  /** Random bytes go into the line: at once, and again in the middle of the next long frame. */
  addGarbage(): void {
    this.#garbage = "before a frame";
    this.wake();
  }

  /** There may be something to write. */
  wake(): void {
    this.#wakeWriter();
  }

  #hangUp(): void {
    this.#pty?.close();
    this.#pty = undefined;
    this.wake();
  }

  /** Reads and writes fail when the terminal is closed under them: that is how they end. */
  async #untilUnplugged(pty: Pty, work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      if (this.#pty !== pty) return;
      this.#parts.log.warn("terminal failed", { path: this.#parts.path, reason: sentenceOf(error) });
      await this.unplug();
    }
  }

  async #read(pty: Pty): Promise<void> {
    while (this.#pty === pty) {
      const bytes = await pty.read();
      if (this.#isStalled) continue;
      this.#parts.module.bytes(bytes, this.#parts.clock.monotonic());
      this.wake();
    }
  }

  async #write(pty: Pty): Promise<void> {
    while (this.#pty === pty) {
      if (this.#garbage === "before a frame") {
        this.#garbage = "amid a frame";
        await pty.write(this.#newGarbage());
      }
      const frame = this.#isStalled ? undefined : this.#parts.module.nextOutgoing();
      if (frame === undefined) await new Promise<void>((resolve) => (this.#wakeWriter = resolve));
      else await this.#writeFrame(pty, frame);
    }
  }

  async #writeFrame(pty: Pty, frame: Uint8Array): Promise<void> {
    const middle = frame.length >>> 1;
    if (this.#garbage === "amid a frame" && frame.length >= LONG_FRAME_BYTES) {
      this.#garbage = "none";
      await pty.write(frame.subarray(0, middle));
      await pty.write(this.#newGarbage());
      await pty.write(frame.subarray(middle));
    } else {
      await pty.write(frame);
    }
    frame.fill(0);
  }

  #newGarbage(): Uint8Array {
    const { random } = this.#parts;
    const bytes = new Uint8Array(new ArrayBuffer(1 + Math.floor(random.fraction() * GARBAGE_BYTES_MAX)));
    random.fill(bytes);
    return bytes;
  }

  #tickLater(): void {
    const { clock, module } = this.#parts;
    this.#cancelTick = clock.after(HEARTBEAT_MS, () => {
      module.tick(clock.monotonic());
      this.wake();
      this.#tickLater();
    });
  }
}
