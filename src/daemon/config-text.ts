/** A configuration file as YAML: its data, and the line and column of each of its fields. */
import { type Document, LineCounter, isMap, isNode, isScalar, parseDocument } from "yaml";

import { QkdError } from "../model/errors.ts";

export type FieldPath = readonly (string | number)[];

export interface Place {
  readonly line: number;
  readonly column: number;
}

export interface ConfigText {
  readonly file: string;
  readonly data: unknown;
  /** Of the field's value, or of its name; of the nearest field around it where it is missing. */
  placeOf(path: FieldPath, ofName: boolean): Place;
}

/** @throws QkdError CONFIG_INVALID  it is no YAML; facts `file` and `line` */
export function parseConfigText(text: string, file: string): ConfigText {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false });
  const [failure] = document.errors;
  const placeAt = (offset: number): Place => {
    const { line, col } = lineCounter.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  if (failure !== undefined) {
    const { line, column } = placeAt(failure.pos[0]);
    const sentence = `${file}:${line}:${column}: this is no YAML: ${failure.message}`;
    throw new QkdError("CONFIG_INVALID", sentence, { file, line, field: "" }, failure);
  }
  return {
    file,
    data: document.toJS({ maxAliasCount: 100 }),
    placeOf: (path, ofName) => placeAt(offsetOf(document, path, ofName)),
  };
}

function offsetOf(document: Document, path: FieldPath, ofName: boolean): number {
  const parent = path.length === 0 ? undefined : document.getIn(path.slice(0, -1), true);
  if (ofName && isMap(parent)) {
    const pair = parent.items.find(({ key }) => isScalar(key) && key.value === path.at(-1));
    if (isScalar(pair?.key)) return pair.key.range?.[0] ?? 0;
  }
  for (let length = path.length; length >= 0; length--) {
    const found = document.getIn(path.slice(0, length), true);
    if (isNode(found) && found.range) return found.range[0];
  }
  return 0;
}
