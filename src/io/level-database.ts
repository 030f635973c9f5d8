/** LevelDB on a real disk, opened once and by one process only. */
import { mkdir, readFile, stat } from "node:fs/promises";
import { type Server, createServer } from "node:net";
import { join } from "node:path";
import { Level } from "level";
import { QkdError, sentenceOf } from "../model/errors.ts";
import type { Scope } from "../runtime/scope.ts";
import type { RecordDatabase } from "../store/record-database.ts";
import { levelRecordDatabase } from "./level-record-database.ts";

const WRITE_BUFFER_BYTES = 2 * 1_048_576;
/** For blocks that are read again, which ours are not: a chunk is read once or twice. */
const READ_CACHE_BYTES = 1_048_576;
/** LevelDB maps the files that it has open, and what it reads of them counts as our memory: few (its least), and small ones. */
const OPEN_FILES_MAX = 74;
const FILE_BYTES_MAX = 1_048_576;
const FOLDER_MODE = 0o700;
const LOG_TROUBLE = /dropping|Corruption|ignoring error/;
const WARNINGS_MAX = 100;

export interface OpenedLevelDatabase {
  readonly database: RecordDatabase;
  /**
   * What LevelDB wrote to its own log about damage that it found, and passed over in silence, while it opened: records
   * may be missing. Empty when all is well.
   */
  readonly warnings: readonly string[];
}

/**
 * Opens the database in the folder `path`, which is made when there is none; `scope` closes it.
 *
 * @throws QkdError STORE_LOCKED   another process, or this one, has it open; nothing was touched
 * @throws QkdError STORE_DAMAGED  LevelDB refuses what it found
 * @throws QkdError STORE_FAILED   the folder cannot be made, or LevelDB cannot open it
 */
export async function openLevelDatabase(path: string, scope: Scope): Promise<OpenedLevelDatabase> {
  const inner = scope.child(`level database ${path}`);
  try {
    await makeFolder(path);
    await openFolderLock(path, inner);
    const level = new Level<string, Uint8Array>(path, {
      keyEncoding: "utf8",
      valueEncoding: "view",
      compression: false, // what is stored is ciphertext
      writeBufferSize: WRITE_BUFFER_BYTES,
      cacheSize: READ_CACHE_BYTES,
      maxOpenFiles: OPEN_FILES_MAX,
      maxFileSize: FILE_BYTES_MAX,
    });
    inner.defer("close LevelDB", () => level.close());
    await level.open().catch((cause: unknown) => {
      throw refusalOf(path, cause);
    });
    return { database: levelRecordDatabase(level), warnings: await readWarnings(path) };
  } catch (failure) {
    await inner.close();
    throw failure;
  }
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: FOLDER_MODE });
  } catch (cause) {
    throw new QkdError("STORE_FAILED", `the folder ${path} cannot be made: ${sentenceOf(cause)}`, { path }, cause);
  }
}

/**
 * Keeps all others away from the folder until `scope` closes or the process ends, however it ends.
 *
 * LevelDB's own lock is not enough: it is a POSIX record lock, which a second open in the same process, or merely
 * reading the file LOCK, takes away from the whole process (measured). So this process listens on a socket in Linux's
 * abstract namespace that is named after the folder's device and inode, the same by whatever path one comes. Such
 * names end at a network namespace; between containers LevelDB's lock is the only one.
 */
async function openFolderLock(path: string, scope: Scope): Promise<void> {
  if (process.platform !== "linux") return;
  const server = createServer((socket) => socket.destroy());
  try {
    const { dev, ino } = await stat(path, { bigint: true });
    await listen(server, `\0qkdnd-store-${dev}-${ino}`);
  } catch (cause) {
    if (!isSystemError(cause, "EADDRINUSE")) {
      throw new QkdError("STORE_FAILED", `the lock of ${path} cannot be taken: ${sentenceOf(cause)}`, { path }, cause);
    }
    throw lockedBy(path, cause);
  }
  server.unref();
  scope.defer("give back the folder lock", () => new Promise((done) => server.close(() => done())));
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ path }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

/** LevelDB begins a new LOG at each opening: all of its lines are about this one. */
async function readWarnings(path: string): Promise<readonly string[]> {
  let log: string;
  try {
    log = await readFile(join(path, "LOG"), "utf8");
  } catch (cause) {
    throw new QkdError("STORE_FAILED", `LevelDB's LOG cannot be read: ${sentenceOf(cause)}`, { path }, cause);
  }
  const lines = log.split("\n").filter((line) => LOG_TROUBLE.test(line));
  return lines.slice(0, WARNINGS_MAX);
}

function refusalOf(path: string, failure: unknown): QkdError {
  const cause = failure instanceof Error && failure.cause !== undefined ? failure.cause : failure;
  if (isSystemError(cause, "LEVEL_LOCKED")) return lockedBy(path, cause);
  const reason = sentenceOf(cause);
  if (isSystemError(cause, "LEVEL_CORRUPTION")) {
    return new QkdError("STORE_DAMAGED", `the database in ${path} is damaged: ${reason}`, { path, reason }, cause);
  }
  return new QkdError("STORE_FAILED", `the database in ${path} cannot be opened: ${reason}`, { path, reason }, cause);
}

function lockedBy(path: string, cause: unknown): QkdError {
  const remedy = "end the other qkdnd, or give this one a data folder of its own";
  return new QkdError("STORE_LOCKED", `the store ${path} is in use by another process: ${remedy}`, { path }, cause);
}

function isSystemError(error: unknown, code: string): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === code;
}
