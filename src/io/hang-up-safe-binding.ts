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

/** Reads in a row that find bytes waiting; then everybody else has a turn. */
const READS_PER_TURN = 16;

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
  let reads = 0;
  return async (buffer, offset, length) => {
    for (;;) {
      if (port.fd === null) throw cancelled();
      const bytesRead = readNow(port.fd, buffer, offset, length);
      if (bytesRead === 0) throw Object.assign(new Error("the line hung up"), { code: "ENXIO", disconnect: true });
      if (bytesRead !== undefined) {
        if (++reads % READS_PER_TURN === 0) await nextTurn();
        return { buffer, bytesRead };
      }
      await untilReadable(port);
    }
  };
}

/** The port is open without blocking, so this returns at once. @returns undefined when there is nothing yet */
function readNow(fd: number, buffer: Buffer, offset: number, length: number): number | undefined {
  try {
    return readSync(fd, buffer, offset, length, null);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EAGAIN" || code === "EINTR") return undefined;
    throw Object.assign(error as Error, { disconnect: true });
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
