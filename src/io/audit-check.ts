/** Reads an audit trail from its first line to its last, and says which lines were altered, removed or moved. */
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { CHAIN_START, type ChainLine, type ChainPosition, digestOf, linesOf, readChainLine } from "./audit-chain.ts";
import { auditFiles, firstSequenceIn } from "./audit-folder.ts";

const PROBLEMS_MAX = 100;
const UNREADABLE = "altered: it cannot be read any more";

export interface AuditProblem {
  readonly file: string;
  /** In the file, from 1. */
  readonly line: number;
  readonly sentence: string;
}

export interface AuditReport {
  readonly folder: string;
  readonly files: number;
  readonly lines: number;
  /** Sequence of the first line here; earlier ones may be kept elsewhere. */
  readonly first: number;
  readonly last: ChainPosition;
  /** Starts after a process that had not stopped in order: of its last second events may be missing. */
  readonly gaps: number;
  /** The process ended in the middle of the last line, and none has begun since. */
  readonly endIsTorn: boolean;
  readonly problems: readonly AuditProblem[];
  /** There are more than are listed. */
  readonly problemsInAll: number;
}

/**
 * @param noted  positions that somebody noted earlier: the chain has to pass through them
 * @throws Error of the file system
 */
export async function checkAuditFolder(folder: string, noted: readonly ChainPosition[] = []): Promise<AuditReport> {
  const check = new AuditCheck(folder, noted);
  for (const name of await auditFiles(folder)) {
    check.beginFile(name);
    for await (const { bytes, isWhole } of linesOf(createReadStream(join(folder, name)))) {
      if (isWhole || bytes.length > 0) check.take(bytes, isWhole);
    }
  }
  return check.end();
}

interface Unreadable {
  readonly file: string;
  readonly line: number;
  readonly bytes: Buffer;
  readonly isWhole: boolean;
}

class AuditCheck {
  readonly #folder: string;
  readonly #noted: ReadonlyMap<number, string>;
  readonly #problems: AuditProblem[] = [];
  #problemsInAll = 0;
  readonly #missing = new Set<number>();
  #unreadable: Unreadable[] = [];
  #file = "";
  #line = 0;
  #files = 0;
  #lines = 0;
  #gaps = 0;
  #first = 0;
  #last: ChainPosition | undefined;

  constructor(folder: string, noted: readonly ChainPosition[]) {
    this.#folder = folder;
    this.#noted = new Map(noted.map(({ sequence, head }) => [sequence, head]));
  }

  beginFile(name: string): void {
    this.#file = name;
    this.#line = 0;
    this.#files += 1;
    if (this.#last !== undefined || this.#first !== 0) return;
    // Earlier files may have been moved to an archive: then the name says where this one begins.
    this.#first = firstSequenceIn(name);
    const head = this.#first === 1 ? CHAIN_START : "";
    this.#last = { sequence: this.#first - 1, head };
  }

  take(bytes: Buffer, isWhole: boolean): void {
    this.#line += 1;
    this.#lines += 1;
    const line = readChainLine(bytes);
    if (line === undefined) {
      this.#unreadable.push({ file: this.#file, line: this.#line, bytes, isWhole });
      return;
    }
    const wasTorn = this.#closesTorn(line);
    const unreadable = wasTorn ? 0 : this.#unreadable.length;
    for (const { file, line: at } of wasTorn ? [] : this.#unreadable) {
      this.#problem(UNREADABLE, file, at);
    }
    this.#unreadable = [];
    this.#place(line, unreadable);
  }

  end(): AuditReport {
    // A crash leaves a last line without a line break; one that has it was whole once.
    const endIsTorn = this.#unreadable.at(-1)?.isWhole === false;
    for (const { file, line, isWhole } of this.#unreadable) if (isWhole) this.#problem(UNREADABLE, file, line);
    const last = this.#last ?? { sequence: 0, head: CHAIN_START };
    for (const sequence of this.#missing) this.#problem(`removed: line ${sequence} of the chain is nowhere`);
    for (const sequence of this.#noted.keys()) {
      if (sequence > last.sequence) {
        this.#problem(`removed: the chain ends at ${last.sequence}, and ${sequence} was noted earlier`);
      }
    }
    const [files, lines, first, gaps] = [this.#files, this.#lines, this.#first, this.#gaps];
    const found = { problems: this.#problems, problemsInAll: this.#problemsInAll };
    return { folder: this.#folder, files, lines, first, last, gaps, endIsTorn, ...found };
  }

  #closesTorn({ event, torn }: ChainLine): boolean {
    if (event !== "torn-line") return false;
    const left = Buffer.from(this.#unreadable.map(({ bytes }) => bytes.toString("latin1")).join("\n"), "latin1");
    if (this.#unreadable.length > 0 && torn === digestOf(left)) return true;
    this.#problem("altered: the torn line before it is another one, or is gone");
    return this.#unreadable.length > 0;
  }

  #place(line: ChainLine, unreadable: number): void {
    const last = this.#last!;
    const expected = last.sequence + 1;
    if (line.event === "gap") this.#gaps += 1;
    if (line.sequence < expected) {
      const known = this.#missing.delete(line.sequence);
      this.#problem(
        `moved: line ${line.sequence} of the chain ${known ? "stands" : "stands once more"} here, after ${last.sequence}`,
      );
      return;
    }
    if (line.sequence > expected + unreadable) {
      for (let sequence = expected; sequence < line.sequence && this.#missing.size < PROBLEMS_MAX; sequence++) {
        this.#missing.add(sequence);
      }
    } else if (line.sequence === expected && last.head !== "" && line.previous !== last.head) {
      this.#problem(
        `altered: line ${last.sequence} of the chain is not the one that line ${expected} was written after`,
      );
    }
    const noted = this.#noted.get(line.sequence);
    if (noted !== undefined && noted !== line.head) {
      this.#problem(`altered: line ${line.sequence} of the chain is not the one whose SHA-256 was noted`);
    }
    this.#last = { sequence: line.sequence, head: line.head };
  }

  #problem(sentence: string, file = this.#file, line = this.#line): void {
    this.#problemsInAll += 1;
    if (this.#problems.length < PROBLEMS_MAX) this.#problems.push({ file, line, sentence });
  }
}
