/** What is wrong with a configuration file: where, what, and what to do; all of it at once. */
import { QkdError } from "../model/errors.ts";
import type { ConfigText, FieldPath } from "./config-text.ts";

export interface ConfigProblem {
  readonly path: FieldPath;
  /** What is wrong, and where it is not plain, what to do instead. */
  readonly sentence: string;
  /** The field's name is what is wrong, not its value. */
  readonly atName?: boolean;
}

const PROBLEMS_SHOWN_MAX = 20;

/** One line for each problem: `FILE:LINE:COLUMN: field.path: sentence`, in the order of the file. */
export function configInvalid(text: ConfigText, problems: readonly ConfigProblem[]): QkdError {
  const placed = problems
    .map((problem) => ({ ...problem, place: text.placeOf(problem.path, problem.atName ?? false) }))
    .sort((one, other) => one.place.line - other.place.line || one.place.column - other.place.column);
  const lines = placed.slice(0, PROBLEMS_SHOWN_MAX).map(({ path, sentence, place }) => {
    const field = fieldName(path);
    return `${text.file}:${place.line}:${place.column}: ${field === "" ? "" : `${field}: `}${sentence}`;
  });
  if (placed.length > lines.length) lines.push(`${text.file}: and ${placed.length - lines.length} more`);
  const [first] = placed;
  return new QkdError("CONFIG_INVALID", lines.join("\n"), {
    file: text.file,
    line: first!.place.line,
    field: fieldName(first!.path),
    problems: placed.length,
  });
}

/** "links[0].module.path" */
export function fieldName(path: FieldPath): string {
  return path.reduce<string>(
    (name, part) => (typeof part === "number" ? `${name}[${part}]` : name === "" ? part : `${name}.${part}`),
    "",
  );
}

/** The way back, for checks further inside that name fields as text. */
export function fieldPath(name: string): FieldPath {
  return [...name.matchAll(/\[(\d+)\]|[^.[\]]+/g)].map(([part, index]) => (index === undefined ? part : Number(index)));
}
