/** JSON as the strict read it: UTF-8 only, and no member twice, because two readers could take different ones. */
import { QkdError } from "../model/errors.ts";

const NESTING_MAX = 32;

/**
 * The value that `bytes` stand for. A byte order mark is tolerated (RFC 8259, clause 8.1).
 *
 * @throws QkdError REQUEST_INVALID for bytes that are not UTF-8 or not JSON, a member named twice in one object, or
 *                                  values nested more than 32 deep
 */
export function parseStrictJson(bytes: Uint8Array): unknown {
  const text = decodeUtf8(bytes);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's own sentence quotes the text: nothing of a request goes into an error or a log.
    throw new QkdError("REQUEST_INVALID", "the body is not JSON");
  }
  refuseRepeatedMembers(text);
  return value;
}

/** True for `{…}`, false for a list, `null`, or a plain value. */
export function isJsonObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new QkdError("REQUEST_INVALID", "the body is not UTF-8");
  }
}

/** Walks text that is known to be JSON: only quotes, braces, brackets and commas matter. */
function refuseRepeatedMembers(text: string): void {
  // For each open value: the member names seen so far in an object, nothing for a list.
  const open: (Set<string> | undefined)[] = [];
  let nameComes = false;
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case 0x7b: // {
      case 0x5b: // [
        nameComes = text.charCodeAt(at) === 0x7b;
        open.push(nameComes ? new Set() : undefined);
        if (open.length > NESTING_MAX) {
          throw new QkdError("REQUEST_INVALID", `the body is nested more than ${NESTING_MAX} deep`);
        }
        break;
      case 0x7d: // }
      case 0x5d: // ]
        open.pop();
        nameComes = false;
        break;
      case 0x2c: // ,
        nameComes = open.at(-1) !== undefined;
        break;
      case 0x22: {
        const end = endOfString(text, at);
        if (nameComes) rememberMember(open.at(-1)!, text.slice(at, end + 1));
        nameComes = false;
        at = end;
      }
    }
  }
}

function rememberMember(seen: Set<string>, quoted: string): void {
  // The same name can be written in several ways: "a" and "\u0061".
  const name = quoted.includes("\\") ? (JSON.parse(quoted) as string) : quoted.slice(1, -1);
  if (seen.has(name)) {
    throw new QkdError("REQUEST_INVALID", `the body has the member "${shortened(name)}" twice`);
  }
  seen.add(name);
}

function endOfString(text: string, quote: number): number {
  let at = quote + 1;
  while (text.charCodeAt(at) !== 0x22) at += text.charCodeAt(at) === 0x5c ? 2 : 1;
  return at;
}

const NAME_CHARACTERS_MAX = 64;

/** A sender's own word for an answer or a log line: never longer than is useful. */
export function shortened(word: string): string {
  return word.length <= NAME_CHARACTERS_MAX ? word : `${word.slice(0, NAME_CHARACTERS_MAX)}…`;
}
