/**
 * The files of an audit trail: `audit-<sequence of the first line>-<day>.jsonl`, only ever appended to. The chain goes on
 * from file to file.
 *
 * After a crash the last line may be torn. It stays as it is: a line break closes it, and a line "torn-line" says what it is.
 */
import { constants } from "node:fs";
import { type FileHandle, mkdir, open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import {
  CHAIN_START,
  type ChainLine,
  type ChainPosition,
  chainLine,
  digestOf,
  LINE_BREAK,
  readChainLine,
} from "./audit-chain.ts";

const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;
const FILE_NAME = /^audit-(\d{12})-(\d{4}-\d{2}-\d{2})\.jsonl$/;
const LINES_PER_TURN = 64;
const LAST_LINE_STEP_BYTES = 65_536;

export interface TimedEntry {
  /** ISO 8601, UTC. */
  readonly time: string;
  readonly entry: Readonly<Record<string, unknown>>;
}

/** The end of a chain, as it lies on disk. */
export interface ChainEnd extends ChainPosition {
  readonly lastEvent: string | undefined;
  /** What a crash left behind the last line, without the last line break. */
  readonly torn: Buffer;
  readonly breakIsMissing: boolean;
}

/** Names of the files in `folder`, in the order of the chain. */
export async function auditFiles(folder: string): Promise<readonly string[]> {
  return (await readdir(folder)).filter((name) => FILE_NAME.test(name)).sort();
}

/** Of the first line, as the file's name says it. */
export function firstSequenceIn(name: string): number {
  return Number(FILE_NAME.exec(name)?.[1]);
}

interface OpenFile {
  readonly handle: FileHandle;
  readonly day: string;
  bytes: number;
}

export class AuditFolder {
  readonly #folder: string;
  readonly #fileBytesMax: number;
  #file: OpenFile | undefined;
  #position: ChainPosition;
  readonly #torn: Pick<ChainEnd, "torn" | "breakIsMissing">;
  /** Whether the process before had written that it stops. */
  readonly endedInOrder: boolean;

  private constructor(parts: { folder: string; fileBytesMax: number; end: ChainEnd }, file: OpenFile | undefined) {
    this.#folder = parts.folder;
    this.#fileBytesMax = parts.fileBytesMax;
    this.#position = { sequence: parts.end.sequence, head: parts.end.head };
    this.#torn = parts.end;
    this.endedInOrder = parts.end.lastEvent === undefined || parts.end.lastEvent === "stop";
    this.#file = file;
  }

  /** @throws Error of the file system */
  static async open(folder: string, fileBytesMax: number): Promise<AuditFolder> {
    await mkdir(folder, { recursive: true, mode: FOLDER_MODE });
    const names = await auditFiles(folder);
    const end = await chainEnd(folder, names);
    const last = names.at(-1);
    if (last === undefined) return new AuditFolder({ folder, fileBytesMax, end }, undefined);
    const handle = await open(join(folder, last), constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW);
    const { size: bytes } = await handle.stat();
    return new AuditFolder({ folder, fileBytesMax, end }, { handle, day: FILE_NAME.exec(last)![2]!, bytes });
  }

  /** Of the last durable line. */
  get position(): ChainPosition {
    return this.#position;
  }

  /** To be called first, once: closes what a crash has torn. @throws Error of the file system */
  async closeTorn(time: string): Promise<void> {
    const { torn, breakIsMissing } = this.#torn;
    if (torn.length === 0 && !breakIsMissing) return;
    const entry = { event: "torn-line", torn: digestOf(torn), bytes: torn.length };
    const closing = torn.length > 0 ? chainLine(this.#position, time, entry) : undefined;
    await this.#write(`${breakIsMissing ? "\n" : ""}${closing === undefined ? "" : `${closing.line}\n`}`);
    this.#position = closing?.position ?? this.#position;
  }

  /** Durable when it resolves. @throws Error of the file system; what is on disk then, only a new look can tell */
  async append(entries: readonly TimedEntry[]): Promise<void> {
    let position = this.#position;
    let text = "";
    for (const [i, { time, entry }] of entries.entries()) {
      if (i % LINES_PER_TURN === LINES_PER_TURN - 1) await nextTurn(); // whoever waits for a key does not wait for a group
      const next = chainLine(position, time, entry);
      text += `${next.line}\n`;
      ({ position } = next);
    }
    await this.#beginFileWhereDue(entries[0]!.time.slice(0, 10));
    await this.#write(text);
    this.#position = position;
  }

  async close(): Promise<void> {
    await this.#file?.handle.close();
    this.#file = undefined;
  }

  async #beginFileWhereDue(day: string): Promise<void> {
    const present = this.#file;
    const isDue = present === undefined || present.bytes >= this.#fileBytesMax || present.day !== day;
    if (!isDue || present?.bytes === 0) return;
    await present?.handle.close();
    this.#file = undefined;
    const name = `audit-${String(this.#position.sequence + 1).padStart(12, "0")}-${day}.jsonl`;
    const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_EXCL;
    const handle = await open(join(this.#folder, name), flags, FILE_MODE);
    this.#file = { handle, day, bytes: 0 };
    await syncFolder(this.#folder);
  }

  async #write(text: string): Promise<void> {
    const file = this.#file!;
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length;) at += (await file.handle.write(bytes, at)).bytesWritten;
    await file.handle.datasync();
    file.bytes += bytes.length;
  }
}

async function chainEnd(folder: string, names: readonly string[]): Promise<ChainEnd> {
  let last: FileEnd | undefined;
  for (const name of [...names].reverse()) {
    const end = await fileEnd(join(folder, name));
    last ??= end; // what is torn in an older file is closed already, or is damage
    if (end.line === undefined) continue;
    const { sequence, head, event } = end.line;
    return { sequence, head, lastEvent: event, torn: last.torn, breakIsMissing: last.breakIsMissing };
  }
  const { torn, breakIsMissing } = last ?? { torn: Buffer.alloc(0), breakIsMissing: false };
  return { sequence: 0, head: CHAIN_START, lastEvent: undefined, torn, breakIsMissing };
}

interface FileEnd {
  /** The last line that is one. */
  readonly line: ChainLine | undefined;
  /** What comes after it, without the last line break. */
  readonly torn: Buffer;
  readonly breakIsMissing: boolean;
}

async function fileEnd(path: string): Promise<FileEnd> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const { size } = await handle.stat();
    for (let length = LAST_LINE_STEP_BYTES; ; length *= 4) {
      const from = Math.max(0, size - length);
      const bytes = Buffer.alloc(size - from);
      await handle.read(bytes, 0, bytes.length, from);
      const end = endIn(bytes, from === 0);
      if (end !== undefined) return end;
    }
  } finally {
    await handle.close();
  }
}

/** @returns undefined where `bytes` do not reach back to a line */
function endIn(bytes: Buffer, isWholeFile: boolean): FileEnd | undefined {
  const breakIsMissing = bytes.length > 0 && bytes.at(-1) !== LINE_BREAK;
  const end = breakIsMissing ? bytes.length : bytes.length - 1;
  for (let to = end; to > 0;) {
    const from = bytes.lastIndexOf(LINE_BREAK, to - 1) + 1;
    if (from === 0 && !isWholeFile) return undefined;
    const line = readChainLine(bytes.subarray(from, to));
    if (line !== undefined)
      return { line, torn: Buffer.from(bytes.subarray(Math.min(to + 1, end), end)), breakIsMissing };
    to = from - 1;
  }
  return isWholeFile
    ? { line: undefined, torn: Buffer.from(bytes.subarray(0, Math.max(0, end))), breakIsMissing }
    : undefined;
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
