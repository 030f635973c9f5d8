/** Lines for a terminal: what they say, and how it is meant, before anybody thinks of colours. */

/** How a piece of text is meant. Without colours nothing is lost: marks and words say the same. */
export type Tone = "plain" | "strong" | "dim" | "good" | "warning" | "bad";

export interface Span {
  readonly text: string;
  readonly tone: Tone;
}

export type StyledLine = readonly Span[];

export const EMPTY_LINE: StyledLine = [];

export function span(text: string, tone: Tone = "plain"): Span {
  return { text, tone };
}

export function line(text: string, tone: Tone = "plain"): StyledLine {
  return [span(text, tone)];
}

export function widthOf(styled: StyledLine): number {
  return styled.reduce((sum, { text }) => sum + text.length, 0);
}

/** Not more than so many cells of it. */
export function clipped(styled: StyledLine, cells: number): StyledLine {
  const kept: Span[] = [];
  let left = cells;
  for (const { text, tone } of styled) {
    if (left <= 0) break;
    kept.push({ text: text.slice(0, left), tone });
    left -= text.length;
  }
  return kept;
}

/** Exactly so many cells. */
export function fitted(styled: StyledLine, cells: number): StyledLine {
  const missing = cells - widthOf(styled);
  return missing > 0 ? [...styled, span(" ".repeat(missing))] : clipped(styled, cells);
}

/** Two blocks side by side, the left one as wide as is said, with `gap` blanks between. */
export function beside(
  left: readonly StyledLine[],
  right: readonly StyledLine[],
  { cells, gap }: { readonly cells: number; readonly gap: number },
): readonly StyledLine[] {
  return Array.from({ length: Math.max(left.length, right.length) }, (_, at) => [
    ...fitted(left[at] ?? EMPTY_LINE, cells + gap),
    ...(right[at] ?? EMPTY_LINE),
  ]);
}

/** Select graphic rendition (ECMA-48, 8.3.117): bold, faint, green, yellow, red. */
const RENDITIONS: Readonly<Record<Tone, string | undefined>> = {
  plain: undefined,
  strong: "1",
  dim: "2",
  good: "32",
  warning: "33",
  bad: "1;31",
};

/** The line as it is written. No blanks at its end. */
export function terminalText(styled: StyledLine, hasColours: boolean): string {
  return styled
    .map(({ text, tone }) => {
      const rendition = hasColours ? RENDITIONS[tone] : undefined;
      return rendition === undefined || text.trim() === "" ? text : `\x1b[${rendition}m${text}\x1b[0m`;
    })
    .join("")
    .trimEnd();
}
