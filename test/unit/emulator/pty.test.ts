/** Pseudo-terminals and their names. */
import assert from "node:assert/strict";
import { closeSync, constants, openSync, readSync, readlinkSync, statSync, writeSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { openPty } from "../../../src/emulator/pty.ts";
import { nameTerminal, unnameTerminal } from "../../../src/emulator/terminal-name.ts";

describe("a pseudo-terminal", () => {
  it("is for its owner only", async () => {
    const pty = await openPty();
    assert.equal(statSync(pty.terminal).mode & 0o777, 0o600);
    pty.close();
  });

  it("stays when a host closes it, and is gone when the module does", async () => {
    const pty = await openPty();
    for (let host = 0; host < 2; host++) {
      const fd = openSync(pty.terminal, constants.O_RDWR | constants.O_NOCTTY);
      writeSync(fd, "hello");
      assert.equal(Buffer.from(await pty.read()).toString(), "hello");
      closeSync(fd);
    }
    pty.close();
    await assert.rejects(pty.write(Uint8Array.of(1)), /closed/);
  });

  it("ends a read and a write that wait when it is closed", async () => {
    const pty = await openPty();
    const waiting = [assert.rejects(pty.read()), assert.rejects(pty.write(new Uint8Array(100_000)))];
    await sleep(10);
    pty.close();
    await Promise.all(waiting);
  });

  it("goes on with a write that waits for room, though a read begins to wait meanwhile", async () => {
    // @serialport/bindings-cpp 13.0.0 forgets the write: see src/io/line-poller.ts.
    const pty = await openPty();
    const host = openSync(pty.terminal, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
    const state = { isWritten: false };
    const writing = pty.write(new Uint8Array(100_000).fill(1)).then(
      () => (state.isWritten = true),
      () => false,
    );
    await sleep(10);
    const reading = pty.read().catch(() => "closed");
    const room = new Uint8Array(65_536);
    const deadline = performance.now() + 2000;
    while (!state.isWritten && performance.now() < deadline) {
      try {
        readSync(host, room);
      } catch {
        await sleep(1);
      }
    }
    closeSync(host);
    pty.close();
    assert.equal(await writing, true);
    assert.equal(await reading, "closed");
  });
});

describe("the name of a terminal", async () => {
  const folder = await mkdtemp(join(tmpdir(), "qkd-terminal-"));
  after(() => rm(folder, { recursive: true }));

  it("follows its module to another terminal, in a folder that is made for it", async () => {
    const path = join(folder, "modules", "a");
    await nameTerminal(path, "/dev/pts/1000");
    await nameTerminal(path, "/dev/pts/1001");
    assert.equal(readlinkSync(path), "/dev/pts/1001");
  });

  it("is taken away by the one who gave it, and by nobody else", async () => {
    const path = join(folder, "b");
    await nameTerminal(path, "/dev/pts/1001");
    await unnameTerminal(path, "/dev/pts/1000");
    assert.equal(readlinkSync(path), "/dev/pts/1001");
    await unnameTerminal(path, "/dev/pts/1001");
    assert.throws(() => readlinkSync(path));
  });

  it("never replaces a file", async () => {
    const path = join(folder, "precious");
    await writeFile(path, "data");
    await assert.rejects(nameTerminal(path, "/dev/pts/1000"), /file of its own/);
  });
});
