/** Serial lines of this machine, for drivers: one owner at a time, and a line that has gone is an error at once. */
import type { BindingPortInterface } from "@serialport/bindings-cpp";
import type { ByteChannel } from "../driver/qkd-driver.ts";
import { QkdError, sentenceOf } from "../model/errors.ts";
import type { Scope } from "../runtime/scope.ts";
import { createHangUpSafeBinding } from "./hang-up-safe-binding.ts";

export interface SerialPortOptions {
  readonly path: string;
  readonly baudRate: number;
}

const READ_BUFFER_BYTES = 65_536;

/**
 * Opens the line, 8 data bits, no parity, one stop bit, no flow control of its own, locked against other processes.
 * It goes past serialport's stream, whose pool would keep key that was read: here one buffer is read into, and
 * overwritten.
 *
 * @throws QkdError DEVICE_LOST when it cannot be opened; facts `path` and `reason`
 */
export async function openSerialPort({ path, baudRate }: SerialPortOptions, scope: Scope): Promise<ByteChannel> {
  const port = await createHangUpSafeBinding()
    .open({ path, baudRate, lock: true })
    .catch((failure: unknown) => {
      throw openFailure(path, failure);
    });
  const channel = new SerialChannel(path, port);
  if (scope.signal.aborted) await channel.close();
  scope.signal.throwIfAborted();
  // Closed as soon as the scope ends, not after its tasks: they are the ones that wait for this line.
  scope.signal.addEventListener("abort", () => void channel.close(), { once: true });
  scope.defer(`serial line ${path}`, () => channel.close());
  return channel;
}

class SerialChannel implements ByteChannel {
  readonly readable: AsyncIterable<Uint8Array>;
  readonly #path: string;
  readonly #port: BindingPortInterface;
  readonly #buffer = Buffer.from(new ArrayBuffer(READ_BUFFER_BYTES));
  #written: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;

  constructor(path: string, port: BindingPortInterface) {
    this.#path = path;
    this.#port = port;
    this.readable = this.#read();
  }

  write(bytes: Uint8Array): Promise<void> {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    const written = this.#written
      .then(() => this.#port.write(buffer))
      .catch((failure: unknown) => {
        throw this.#closing === undefined ? this.#hungUp(failure) : this.#closed();
      });
    this.#written = written.catch(() => undefined);
    return written;
  }

  /** Ends reading and writing; the line is free for others when it resolves. */
  close(): Promise<void> {
    this.#closing ??= this.#port.close();
    return this.#closing;
  }

  async *#read(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const { bytesRead } = await this.#port.read(this.#buffer, 0, READ_BUFFER_BYTES);
        yield this.#buffer.subarray(0, bytesRead);
        this.#buffer.fill(0, 0, bytesRead);
      }
    } catch (failure) {
      if (this.#closing === undefined) throw this.#hungUp(failure);
    } finally {
      this.#buffer.fill(0);
    }
  }

  #hungUp(failure: unknown): QkdError {
    const reason = `the line hung up (${sentenceOf(failure)})`;
    return new QkdError("DEVICE_LOST", `${this.#path}: ${reason}`, { path: this.#path, reason }, failure);
  }

  #closed(): QkdError {
    return new QkdError("CANCELLED", `${this.#path} is closed`, { path: this.#path });
  }
}

/** What the operating system says, what it means, and what to do about it. */
const OPEN_FAILURES: readonly { readonly says: RegExp; readonly reason: string; readonly remedy: string }[] = [
  {
    says: /no such file/i,
    reason: "no such file",
    remedy: "is the module plugged in and switched on, and the path right (see /dev/serial/by-id)?",
  },
  {
    says: /permission denied/i,
    reason: "permission denied",
    remedy: "let the daemon's user read and write it: by its group (often dialout), or a udev rule",
  },
  {
    says: /lock port|busy|temporarily unavailable/i,
    reason: "in use by another process",
    remedy: "end the other process; `fuser` with the path tells which it is",
  },
  {
    says: /inappropriate ioctl|not a (tty|typewriter)/i,
    reason: "not a serial line",
    remedy: "the path has to be that of a terminal device",
  },
];

function openFailure(path: string, failure: unknown): QkdError {
  const sentence = sentenceOf(failure);
  const known = OPEN_FAILURES.find(({ says }) => says.test(sentence));
  const reason = known?.reason ?? sentence;
  const remedy = known === undefined ? "" : `; ${known.remedy}`;
  return new QkdError("DEVICE_LOST", `cannot open ${path}: ${reason}${remedy}`, { path, reason }, failure);
}
