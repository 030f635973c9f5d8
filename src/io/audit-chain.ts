/**
 * The lines of an audit trail: JSON, each with the SHA-256 of the line before it, so that none can be altered, removed or
 * moved without breaking the chain.
 *
 *   {"sequence":17,"time":"2026-11-24T01:04:24.123Z","event":"stop","reason":"SIGTERM","previous":"9f86d081…"}
 *
 * The head of the chain is the SHA-256 of its last line: whoever notes it can tell later whether the end was cut off.
 */
import { hash } from "node:crypto";

/** `previous` of the first line. */
export const CHAIN_START = "0".repeat(64);

export interface ChainPosition {
  /** Of the last line; 0 where there is none. */
  readonly sequence: number;
  /** SHA-256 of the last line, in hex. */
  readonly head: string;
}

export interface ChainLine extends ChainPosition {
  readonly event: string;
  readonly previous: string;
  /** Of an event "torn-line": SHA-256 of what a crash left of the lines before it. */
  readonly torn: string | undefined;
}

export function digestOf(bytes: Uint8Array | string): string {
  return hash("sha256", bytes, "hex");
}

/** @returns the line, without a line break, and where the chain is then */
export function chainLine(
  { sequence: last, head: previous }: ChainPosition,
  time: string,
  entry: Readonly<Record<string, unknown>>,
): { readonly line: string; readonly position: ChainPosition } {
  const sequence = last + 1;
  const line = JSON.stringify({ sequence, time, ...entry, previous });
  return { line, position: { sequence, head: digestOf(line) } };
}

/** @returns undefined for what is no line of a chain, a torn one say: a part of a line is never JSON */
export function readChainLine(bytes: Uint8Array): ChainLine | undefined {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
  const { sequence, event, previous, torn } = (value ?? {}) as Readonly<Record<string, unknown>>;
  if (!Number.isSafeInteger(sequence) || typeof event !== "string" || typeof previous !== "string") return undefined;
  const tornDigest = typeof torn === "string" ? torn : undefined;
  return { sequence: sequence as number, head: digestOf(bytes), event, previous, torn: tornDigest };
}

export const LINE_BREAK = 0x0a;

/** Whole lines, and last what has no line break behind it (empty when all is whole). */
export async function* linesOf(
  pieces: AsyncIterable<Buffer>,
): AsyncGenerator<{ readonly bytes: Buffer; readonly isWhole: boolean }> {
  let rest: Buffer[] = [];
  for await (const piece of pieces) {
    let from = 0;
    for (let at = piece.indexOf(LINE_BREAK); at >= 0; at = piece.indexOf(LINE_BREAK, from)) {
      yield { bytes: Buffer.concat([...rest, piece.subarray(from, at)]), isWhole: true };
      rest = [];
      from = at + 1;
    }
    rest.push(piece.subarray(from));
  }
  yield { bytes: Buffer.concat(rest), isWhole: false };
}
