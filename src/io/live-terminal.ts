/** The whole screen of a terminal: drawn anew in place, keys as they are pressed, and given back as it was. */
import type { Readable } from "node:stream";
import type { ReadStream, WriteStream } from "node:tty";

export interface LiveTerminal {
  readonly size: { readonly columns: number; readonly rows: number };
  /** Shows these lines, which fit the size; writes only those that changed. */
  draw(lines: readonly string[]): void;
  /** Shows a text that the terminal wraps itself, so that a long line can be selected and copied as one. */
  page(text: string): void;
  /** Gives the screen back, with what was on it before. Also done when the process ends. */
  close(): void;
}

export interface LiveTerminalParts {
  readonly output: WriteStream;
  readonly input: Readable;
  /** A key: its character, as "q". Ctrl-C is "\x03". */
  readonly onKey: (key: string) => void;
  /** The screen has another size, and shows nothing. */
  readonly onResize: () => void;
}

/** Alternate screen, no cursor (xterm's private modes, which all terminals of today share). */
const TAKE = "\x1b[?1049h\x1b[?25l\x1b[2J";
const GIVE_BACK = "\x1b[?25h\x1b[?1049l";
/** What is between the two is shown at once, where the terminal knows them. */
const BEGIN_UPDATE = "\x1b[?2026h";
const END_UPDATE = "\x1b[?2026l";
const CLEAR_REST_OF_LINE = "\x1b[K";
const CLEAR_ALL = "\x1b[H\x1b[2J";

/** Whether there is a screen to draw on. */
export function isLiveTerminal(stream: NodeJS.WriteStream, environment: NodeJS.ProcessEnv): boolean {
  return stream.isTTY === true && environment["TERM"] !== "dumb";
}

/** Whether colours are wanted (no-color.org). */
export function hasColours(environment: NodeJS.ProcessEnv): boolean {
  return (environment["NO_COLOR"] ?? "") === "";
}

export function openLiveTerminal({ output, input, onKey, onResize }: LiveTerminalParts): LiveTerminal {
  let shown: readonly string[] = [];
  let isOpen = true;
  const keys = isTerminal(input) ? input : undefined;
  const heard = (text: Buffer): void => {
    for (const key of text.toString("latin1")) onKey(key);
  };
  const resized = (): void => {
    shown = [];
    output.write(CLEAR_ALL);
    onResize();
  };
  const close = (): void => {
    if (!isOpen) return;
    isOpen = false;
    process.off("exit", close);
    output.off("resize", resized);
    keys?.off("data", heard).setRawMode(false).pause();
    output.write(GIVE_BACK);
  };
  process.on("exit", close);
  keys?.setRawMode(true).on("data", heard).resume();
  output.on("resize", resized);
  output.write(TAKE);
  return {
    get size() {
      // A terminal that does not tell its size says 0.
      return { columns: output.columns || 80, rows: output.rows || 24 };
    },
    draw(lines) {
      const rows = Math.max(lines.length, shown.length);
      const changes = Array.from({ length: rows }, (_, at) =>
        lines[at] === shown[at] ? "" : `\x1b[${at + 1};1H${lines[at] ?? ""}${CLEAR_REST_OF_LINE}`,
      ).join("");
      shown = lines;
      if (isOpen && changes !== "") output.write(BEGIN_UPDATE + changes + END_UPDATE);
    },
    page(text) {
      shown = [];
      if (isOpen) output.write(CLEAR_ALL + text.replaceAll("\n", "\r\n"));
    },
    close,
  };
}

const isTerminal = (input: Readable): input is ReadStream => (input as Partial<ReadStream>).isTTY === true;
