/** Pseudo-terminals: a module is at the master side, a host finds the other side under a stable name. */
import { spawn } from "node:child_process";
import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Poller } from "@serialport/bindings-cpp/dist/poller.js";
import { pollBothDirections, type LineEvent } from "../io/line-poller.ts";

/** The master side, without blocking. */
export interface Pty {
  /** The terminal's own name, "/dev/pts/7". */
  readonly terminal: string;
  /** As many bytes as are there, in a buffer that the next read overwrites; waits for the first. */
  read(): Promise<Uint8Array>;
  /** Resolves when the host's side took all of it: a host that does not read slows the module down. */
  write(bytes: Uint8Array): Promise<void>;
  /** The host's line hangs up; pending reads and writes are rejected. */
  close(): void;
}

const READ_BUFFER_BYTES = 65_536;

/**
 * Unlocks the terminal of the master at file descriptor 3 (TIOCSPTLCK), asks its number (TIOCGPTN), makes it raw and
 * prints its name. Node.js has no ioctl, and no package for it builds without a compiler.
 */
const UNLOCK = `
  use POSIX;
  open(my $master, "+<&=", 3) or die "no master: $!";
  my $unlocked = pack("i", 0);
  ioctl($master, 0x40045431, $unlocked) or die "cannot unlock: $!";
  my $number = pack("i", 0);
  ioctl($master, 0x80045430, $number) or die "cannot get the number: $!";
  my $path = "/dev/pts/" . unpack("i", $number);
  open(my $terminal, "+<", $path) or die "cannot open $path: $!";
  chmod(0600, $path) or die "cannot protect $path: $!";
  my $t = POSIX::Termios->new;
  $t->getattr(fileno $terminal);
  $t->setiflag(0); $t->setoflag(0); $t->setlflag(0);
  $t->setcflag(POSIX::CS8 | POSIX::CREAD | POSIX::CLOCAL);
  $t->setcc(POSIX::VMIN, 1); $t->setcc(POSIX::VTIME, 0);
  $t->setattr(fileno $terminal, POSIX::TCSANOW) or die "cannot make it raw: $!";
  print $path;
`;

/** @throws Error when the machine has no pseudo-terminal or no perl, saying which */
export async function openPty(): Promise<Pty> {
  const flags = constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK;
  const master = openSync("/dev/ptmx", flags);
  try {
    const terminal = await unlock(master);
    // Held open, so that the master is not told of a hang-up whenever a host closes the line.
    const held = openSync(terminal, flags);
    return new OpenPty(master, held, terminal);
  } catch (error) {
    closeSync(master);
    throw error;
  }
}

function unlock(master: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const perl = spawn("perl", ["-e", UNLOCK], { stdio: ["ignore", "pipe", "pipe", master] });
    let [printed, complaint] = ["", ""];
    perl.stdout?.setEncoding("utf8").on("data", (text: string) => (printed += text));
    perl.stderr?.setEncoding("utf8").on("data", (text: string) => (complaint += text));
    perl.on("error", (error) => reject(new Error(`perl is needed to open a pseudo-terminal: ${error.message}`)));
    perl.on("close", (code) => {
      if (code === 0 && printed.startsWith("/dev/pts/")) resolve(printed);
      else reject(new Error(`no pseudo-terminal: ${complaint.trim()}`));
    });
  });
}

/** Reads and writes in a row that need not wait; then everybody else has a turn. */
const CALLS_PER_TURN = 16;

class OpenPty implements Pty {
  readonly terminal: string;
  readonly #master: number;
  readonly #held: number;
  readonly #poller: Poller;
  readonly #buffer = new Uint8Array(new ArrayBuffer(READ_BUFFER_BYTES));
  #calls = 0;
  #isOpen = true;

  constructor(master: number, held: number, terminal: string) {
    this.#master = master;
    this.#held = held;
    this.terminal = terminal;
    this.#poller = pollBothDirections(new Poller(master));
  }

  async read(): Promise<Uint8Array> {
    const count = await this.#whenPossible("readable", () => readSync(this.#master, this.#buffer));
    return this.#buffer.subarray(0, count);
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      at += await this.#whenPossible("writable", () => writeSync(this.#master, bytes, at));
    }
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#poller.stop();
    this.#poller.destroy();
    closeSync(this.#master);
    closeSync(this.#held);
    this.#buffer.fill(0);
  }

  /** Calls at once, and again each time the terminal is ready, until there was something to do. */
  async #whenPossible(event: LineEvent, call: () => number): Promise<number> {
    for (;;) {
      if (!this.#isOpen) throw new Error(`${this.terminal} is closed`);
      try {
        const count = call();
        if (++this.#calls % CALLS_PER_TURN === 0) await nextTurn();
        return count;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      }
      await new Promise<void>((resolve, reject) => {
        this.#poller.once(event, (error) => (error ? reject(error) : resolve()));
      });
    }
  }
}
