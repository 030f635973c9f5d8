/** Where a demo writes: lines that stay, and, at a terminal, a region below them that is drawn anew. */
import type { WriteStream } from "node:tty";

const CLEAR_LINE = "\x1b[2K";
const CLEAR_BELOW = "\x1b[0J";

export interface Screen {
  /** False: only lines, no region. */
  readonly isLive: boolean;
  /** Lines that stay. */
  print(...lines: readonly string[]): void;
  /** Replaces what the region shows. The lines above stay as they are, so that one can select and copy them. */
  draw(lines: readonly string[]): void;
}

export function createScreen(stream: NodeJS.WriteStream): Screen {
  let region: readonly string[] = [];
  const write = (text: string): void => void stream.write(text);
  if (!stream.isTTY) {
    return { isLive: false, print: (...lines) => write(textOf(lines)), draw: () => undefined };
  }
  const { columns, rows } = sizeOf(stream);
  const erase = (): string => (region.length === 0 ? "" : `\x1b[${region.length}F${CLEAR_BELOW}`);
  const fitting = (lines: readonly string[]): readonly string[] =>
    lines.slice(0, rows() - 1).map((line) => line.slice(0, columns() - 1));
  return {
    isLive: true,
    print(...lines) {
      write(erase() + textOf(lines) + textOf(region));
    },
    draw(lines) {
      const up = region.length === 0 ? "" : `\x1b[${region.length}F`;
      region = fitting(lines);
      write(up + region.map((line) => `${CLEAR_LINE}${line}\n`).join("") + CLEAR_BELOW);
    },
  };
}

function sizeOf(stream: WriteStream): { readonly columns: () => number; readonly rows: () => number } {
  // A terminal that does not tell its size says 0.
  return { columns: () => stream.columns || 80, rows: () => stream.rows || 24 };
}

const textOf = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join("");
