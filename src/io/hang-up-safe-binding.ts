/**
 * serialport's binding, with a `read` that notices when the line has gone.
 *
 * @serialport/bindings-cpp 13.0.0 takes a read of 0 bytes (hang-up of a terminal, an unplugged USB adapter) for "nothing
 * yet" and asks again for ever: a full core, growing memory, never an error (serialport/bindings-cpp issue 162; shown by
 * test/unit/io/serial-port.test.ts). Here 0 bytes are a lost line.
 */
import { readSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import {
  autoDetect,
  type AutoDetectTypes,
  type BindingInterface,
  type BindingPortInterface,
  type LinuxPortBinding,
  type OpenOptions,
} from "@serialport/bindings-cpp";
import { pollBothDirections } from "./line-poller.ts";

/** A terminal gives at most 4 KiB a read. After so many in a row that find bytes waiting everybody else has a turn. */
const READS_PER_TURN = 16;
/** A line that gave less has probably no more: another read would only cost an error and its stack. */
const READ_BYTES_USUAL = 1024;

/** @param native  for tests; the machine's own without it */
export function createHangUpSafeBinding(
  native: AutoDetectTypes | BindingInterface = autoDetect(),
): BindingInterface<BindingPortInterface, OpenOptions> {
  return {
    list: () => native.list(),
    async open(options) {
      const port = await (native as BindingInterface).open(options);
      if ("poller" in port) {
        pollBothDirections((port as LinuxPortBinding).poller);
        port.read = safeRead(port as LinuxPortBinding);
      }
      const close = port.close.bind(port);
      let closing: Promise<void> | undefined;
      port.close = () => (closing ??= close());
      return port;
    },
  };
}

function safeRead(port: LinuxPortBinding): BindingPortInterface["read"] {
  let isBusy = false;
  return async (buffer, offset, length) => {
    if (isBusy) await nextTurn();
    for (;;) {
      if (port.fd === null) throw cancelled();
      const { bytesRead, isDrained } = readWaiting(port.fd, buffer, offset, length);
      isBusy = !isDrained;
      if (bytesRead > 0) return { buffer, bytesRead };
      await untilReadable(port);
    }
  };
}

/** Reads what waits, as far as it fits. A hang-up behind it shows at the next read. */
function readWaiting(
  fd: number,
  buffer: Buffer,
  offset: number,
  length: number,
): { readonly bytesRead: number; readonly isDrained: boolean } {
  let bytesRead = 0;
  for (let reads = 0; reads < READS_PER_TURN && bytesRead < length; reads++) {
    const result = readNow(fd, buffer, offset + bytesRead, length - bytesRead);
    if (result instanceof Error) {
      if (bytesRead === 0) throw result;
      return { bytesRead, isDrained: false };
    }
    bytesRead += result;
    if (result < READ_BYTES_USUAL) return { bytesRead, isDrained: true };
  }
  return { bytesRead, isDrained: false };
}

/** The port is open without blocking, so this returns at once: 0 when there is nothing yet. */
function readNow(fd: number, buffer: Buffer, offset: number, length: number): number | Error {
  try {
    const count = readSync(fd, buffer, offset, length, null);
    return count > 0 ? count : Object.assign(new Error("the line hung up"), { code: "ENXIO", disconnect: true });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === "EAGAIN" || code === "EINTR" ? 0 : Object.assign(error as Error, { disconnect: true });
  }
}

function untilReadable(port: LinuxPortBinding): Promise<void> {
  return new Promise((resolve, reject) => {
    port.poller.once("readable", (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}

const cancelled = (): Error => Object.assign(new Error("the port is closed"), { canceled: true });
