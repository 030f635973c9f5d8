/** Serial lines as a driver sees them, at real pseudo-terminals: bytes, locks, hang-ups. */
import assert from "node:assert/strict";
import { openSync } from "node:fs";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { BindingInterface } from "@serialport/bindings-cpp";
import { Poller } from "@serialport/bindings-cpp/dist/poller.js";
import { openPty, type Pty } from "../../../src/emulator/pty.ts";
import { createHangUpSafeBinding } from "../../../src/io/hang-up-safe-binding.ts";
import { openSerialPort } from "../../../src/io/serial-port.ts";
import { isQkdError } from "../../../src/model/errors.ts";
import { openScope, type Scope } from "../../../src/runtime/scope.ts";
import { createRecordingLogger } from "../../fakes/recording-logger.ts";

const baudRate = 115_200;
const EVERY_BYTE = Uint8Array.from({ length: 256 }, (_, i) => i);

async function withPty(use: (pty: Pty, scope: Scope) => Promise<void>): Promise<void> {
  const scope = openScope("test", createRecordingLogger());
  const pty = await openPty();
  try {
    await use(pty, scope);
  } finally {
    await scope.close();
    pty.close();
  }
}

/** Reads until so many bytes have come. */
async function readBytes(readable: AsyncIterable<Uint8Array>, count: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of readable) {
    pieces.push(Buffer.from(piece));
    length += piece.length;
    if (length >= count) break;
  }
  return Buffer.concat(pieces);
}

const lost = (reason: RegExp) => (error: unknown) =>
  isQkdError(error, "DEVICE_LOST") && reason.test(String(error.facts.reason)) && typeof error.facts.path === "string";

/** Milliseconds of processor time that the process takes in `durationMs`. */
async function processorMsWithin(durationMs: number): Promise<number> {
  const since = process.cpuUsage();
  await sleep(durationMs);
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
}

describe("a serial line", () => {
  it("carries every byte both ways", async () => {
    await withPty(async (pty, scope) => {
      const channel = await openSerialPort({ path: pty.terminal, baudRate }, scope);
      await pty.write(EVERY_BYTE);
      assert.deepEqual(Uint8Array.from(await readBytes(channel.readable, 256)), EVERY_BYTE);
      await channel.write(EVERY_BYTE);
      let back = Buffer.alloc(0);
      while (back.length < 256) back = Buffer.concat([back, await pty.read()]);
      assert.deepEqual(Uint8Array.from(back), EVERY_BYTE);
    });
  });

  it("overwrites what was read when more is asked for", async () => {
    await withPty(async (pty, scope) => {
      const { readable } = await openSerialPort({ path: pty.terminal, baudRate }, scope);
      const pieces = readable[Symbol.asyncIterator]();
      await pty.write(EVERY_BYTE.subarray(1));
      const { value } = (await pieces.next()) as { value: Uint8Array };
      assert.notEqual(value[0], 0);
      const next = pieces.next();
      await sleep(1);
      assert.ok(value.every((byte) => byte === 0));
      await pty.write(EVERY_BYTE);
      await next;
    });
  });

  it("slows a writer down to the pace of the other end, in both directions", async () => {
    await withPty(async (pty, scope) => {
      const channel = await openSerialPort({ path: pty.terminal, baudRate }, scope);
      const much = new Uint8Array(200_000).fill(1);
      let isWritten = false;
      const writing = Promise.all([channel.write(much), pty.write(much)]).then(() => (isWritten = true));
      await sleep(50);
      assert.equal(isWritten, false);
      const fromHost = (async () => {
        for (let count = 0; count < much.length;) count += (await pty.read()).length;
      })();
      assert.equal((await readBytes(channel.readable, much.length)).length, much.length);
      await Promise.all([writing, fromHost]);
    });
  });

  it("has one owner at a time, and is free again as soon as its scope has closed", async () => {
    await withPty(async (pty, scope) => {
      const path = pty.terminal;
      const owner = scope.child("owner");
      await openSerialPort({ path, baudRate }, owner);
      await assert.rejects(openSerialPort({ path, baudRate }, scope), lost(/^in use by another process$/));
      await owner.close();
      await openSerialPort({ path, baudRate }, scope);
    });
  });

  it("that is not there is lost, and the error says what to look for", async () => {
    const scope = openScope("test", createRecordingLogger());
    const opening = openSerialPort({ path: "/dev/ttyNothing", baudRate }, scope);
    await assert.rejects(opening, lost(/^no such file$/));
    await assert.rejects(opening, /cannot open \/dev\/ttyNothing: no such file; is the module plugged in/);
    await scope.close();
  });

  it("that is no serial line is refused", async () => {
    const scope = openScope("test", createRecordingLogger());
    await assert.rejects(openSerialPort({ path: "/dev/null", baudRate }, scope), lost(/^not a serial line$/));
    await scope.close();
  });

  it("ends reading and writing when its scope closes", async () => {
    await withPty(async (pty, scope) => {
      const inner = scope.child("reader");
      const channel = await openSerialPort({ path: pty.terminal, baudRate }, inner);
      const reading = readBytes(channel.readable, 1);
      const writing = assert.rejects(channel.write(new Uint8Array(200_000)), (error) => isQkdError(error, "CANCELLED"));
      await sleep(20);
      await inner.close();
      assert.equal((await reading).length, 0);
      await writing;
    });
  });
});

describe("a line that hangs up", () => {
  it("is lost at once while somebody waits for bytes, and takes no processor time after that", async () => {
    await withPty(async (pty, scope) => {
      const channel = await openSerialPort({ path: pty.terminal, baudRate }, scope);
      const reading = assert.rejects(readBytes(channel.readable, 1), lost(/hung up/));
      await sleep(20);
      const hungUpAt = performance.now();
      pty.close();
      await reading;
      assert.ok(performance.now() - hungUpAt < 500);
      const spent = await processorMsWithin(200);
      assert.ok(spent < 100, `${spent} ms of 200`);
    });
  });

  it("is lost while bytes are on their way", async () => {
    await withPty(async (pty, scope) => {
      const channel = await openSerialPort({ path: pty.terminal, baudRate }, scope);
      const reading = assert.rejects(readBytes(channel.readable, 10_000_000), lost(/hung up/));
      const flood = (async () => {
        for (;;) await pty.write(EVERY_BYTE);
      })();
      await sleep(20);
      pty.close();
      await assert.rejects(flood);
      await reading;
      await assert.rejects(channel.write(EVERY_BYTE), lost(/hung up/));
    });
  });

  it("is lost when a read finds no byte, where serialport's own binding would ask for ever", async () => {
    const fd = openSync("/dev/null", "r"); // reads of it find the end, as those of an unplugged adapter do
    const poller = new Poller(openSync("/dev/ptmx", "r+"));
    const native: BindingInterface = {
      list: () => Promise.resolve([]),
      open: () => Promise.resolve({ fd, poller, isOpen: true, close: () => Promise.resolve() } as never),
    };
    const port = await createHangUpSafeBinding(native).open({ path: "/dev/null", baudRate });
    await assert.rejects(port.read(Buffer.alloc(8), 0, 8), /the line hung up/);
    poller.stop();
  });
});
