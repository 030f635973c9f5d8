/** A slot file on a real disk: written in place and flushed, so that what was overwritten is gone from the file. */
import { constants } from "node:fs";
import { type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { QkdError, sentenceOf } from "../model/errors.ts";
import type { Scope } from "../runtime/scope.ts";
import type { SlotChange, SlotFile } from "../store/slot-file.ts";

const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;

/**
 * Opens the file, or makes an empty one; `scope` closes it. Operations run one after the other. The bytes of a write
 * are taken at the call: the caller may erase them at once.
 *
 * Overwriting erases on a file system that writes in place, on a disk that does; a copying file system (btrfs, zfs) or
 * the flash below keeps old blocks for a while.
 *
 * @throws QkdError STORE_FAILED  naming the file
 */
export async function openDiskSlotFile(path: string, scope: Scope): Promise<SlotFile> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: FOLDER_MODE });
    await removeRest(temporaryName(path));
    const handle = await openFile(path);
    await syncFolder(path);
    const file = new DiskSlotFile(path, handle);
    scope.defer(`close ${path}`, () => file.close());
    return file;
  } catch (cause) {
    throw failed(path, cause);
  }
}

/** Overwrites the file and removes it, where there is one. @throws QkdError STORE_FAILED  naming the file */
export async function destroySlotFile(path: string): Promise<void> {
  try {
    await removeRest(temporaryName(path));
    await removeRest(path);
  } catch (cause) {
    throw failed(path, cause);
  }
}

class DiskSlotFile implements SlotFile {
  readonly #path: string;
  #handle: FileHandle;
  #last: Promise<unknown> = Promise.resolve();
  #failure: QkdError | undefined;

  constructor(path: string, handle: FileHandle) {
    this.#path = path;
    this.#handle = handle;
  }

  load(): Promise<Uint8Array> {
    return this.#inTurn(async () => {
      const { size } = await this.#handle.stat();
      const bytes = new Uint8Array(new ArrayBuffer(size));
      for (let at = 0; at < size;) {
        const { bytesRead } = await this.#handle.read(bytes, at, size - at, at);
        if (bytesRead === 0) throw new Error("the file became shorter while it was read");
        at += bytesRead;
      }
      return bytes;
    });
  }

  overwrite(changes: readonly SlotChange[]): Promise<void> {
    const taken = joined(changes);
    return this.#inTurn(async () => {
      try {
        for (const { offset, bytes } of taken) await writeAll(this.#handle, bytes, offset);
        await this.#handle.datasync();
      } finally {
        for (const { bytes } of taken) bytes.fill(0);
      }
    });
  }

  replace(bytes: Uint8Array): Promise<void> {
    const taken = bytes.slice();
    return this.#inTurn(async () => {
      const old = this.#handle;
      const temporary = await openFile(temporaryName(this.#path));
      try {
        await writeAll(temporary, taken, 0);
        await temporary.sync();
        await rename(temporaryName(this.#path), this.#path);
      } catch (failure) {
        await temporary.close();
        throw failure;
      } finally {
        taken.fill(0);
      }
      this.#handle = temporary;
      await syncFolder(this.#path);
      // The old file has no name any more. Its blocks would go back to the file system as they are.
      await overwriteWithZeros(old);
      await old.close();
    });
  }

  async close(): Promise<void> {
    await this.#last;
    await this.#handle.close();
  }

  /** After a failed write or flush nothing is known of the file any more: all that follows fails as well. */
  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(async () => {
      if (this.#failure !== undefined) throw this.#failure;
      try {
        return await work();
      } catch (cause) {
        this.#failure = failed(this.#path, cause);
        throw this.#failure;
      }
    });
    this.#last = result.catch(() => undefined);
    return result;
  }
}

/** Copies of the changes; what lies side by side as one: a system call for each run of slots, not for each slot. */
function joined(changes: readonly SlotChange[]): { readonly offset: number; readonly bytes: Uint8Array }[] {
  const runs: SlotChange[][] = [];
  let end = -1;
  for (const change of changes) {
    if (change.offset === end) runs.at(-1)!.push(change);
    else runs.push([change]);
    end = change.offset + change.bytes.length;
  }
  return runs.map((run) => ({ offset: run[0]!.offset, bytes: concatenated(run.map(({ bytes }) => bytes)) }));
}

function concatenated(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(new ArrayBuffer(parts.reduce((sum, { length }) => sum + length, 0)));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function temporaryName(path: string): string {
  return `${path}.new`;
}

async function openFile(path: string): Promise<FileHandle> {
  const handle = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, FILE_MODE);
  await handle.chmod(FILE_MODE); // an older file may have been made by another hand
  return handle;
}

/** What a crash in the middle of `replace` left under the temporary name, say. */
async function removeRest(path: string): Promise<void> {
  let handle: FileHandle;
  try {
    handle = await open(path, constants.O_RDWR | constants.O_NOFOLLOW);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  try {
    await overwriteWithZeros(handle);
  } finally {
    await handle.close();
  }
  await rm(path);
}

async function overwriteWithZeros(handle: FileHandle): Promise<void> {
  const { size } = await handle.stat();
  await writeAll(handle, new Uint8Array(size), 0);
  await handle.datasync();
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, at, bytes.length - at, offset + at);
    at += bytesWritten;
  }
}

/** Makes names durable: that of a new file, and its change by `rename`. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(dirname(path), constants.O_RDONLY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function failed(path: string, cause: unknown): QkdError {
  return new QkdError("STORE_FAILED", `the file ${path} failed: ${sentenceOf(cause)}`, { path }, cause);
}
