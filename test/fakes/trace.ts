/** What happened in a world, in order, as one hash: two runs are the same when their hashes are. */
import { type Hash, createHash } from "node:crypto";

const PENDING_CHARACTERS_MAX = 16_384;

export interface Trace {
  /** One event: appended to the hash with the virtual time, and given to the sink as a line of text. */
  line(text: string): void;
  /** Contents that belong to the last event: into the hash only. */
  contents(part: string | Uint8Array): void;
  /** The hash of all events up to now, as hex. More may follow. */
  hash(): string;
  readonly lines: number;
}

export interface TraceOptions {
  /** Virtual time in milliseconds. */
  readonly now: () => number;
  /** Takes each line, with its time in front. */
  readonly sink?: (line: string) => void;
}

export function createTrace(options: TraceOptions): Trace {
  return new HashTrace(options);
}

class HashTrace implements Trace {
  readonly #now: () => number;
  readonly #sink: ((line: string) => void) | undefined;
  readonly #hash: Hash = createHash("sha256");
  #pending = "";
  #lines = 0;

  constructor(options: TraceOptions) {
    this.#now = options.now;
    this.#sink = options.sink;
  }

  get lines(): number {
    return this.#lines;
  }

  line(text: string): void {
    this.#lines += 1;
    const line = `${(this.#now() / 1000).toFixed(6)} ${text}`;
    this.#append(`${line}\n`);
    this.#sink?.(line);
  }

  contents(part: string | Uint8Array): void {
    if (typeof part === "string") return this.#append(part);
    this.#flush();
    this.#hash.update(part);
  }

  hash(): string {
    this.#flush();
    return this.#hash.copy().digest("hex");
  }

  #append(text: string): void {
    this.#pending += text;
    if (this.#pending.length > PENDING_CHARACTERS_MAX) this.#flush();
  }

  #flush(): void {
    if (this.#pending !== "") this.#hash.update(this.#pending);
    this.#pending = "";
  }
}
