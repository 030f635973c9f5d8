/** `qkdctl audit`: reads the files of an audit trail, also where no node runs. */
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { Command, InvalidArgumentError } from "commander";

import { type ChainPosition, linesOf } from "../io/audit-chain.ts";
import { type AuditReport, checkAuditFolder } from "../io/audit-check.ts";
import { auditFiles } from "../io/audit-folder.ts";
import { fetchStatus } from "../io/operator-client.ts";
import { sentenceOf } from "../model/errors.ts";

export interface AuditCommandParts {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** The operator port of the node, where no folder is given; or a sentence that says why not. */
  readonly url: (given: string | undefined) => URL | string;
  readonly urlOption: readonly [flags: string, text: string];
  readonly answerMsMax: number;
  readonly ends: (end: "ok" | "troubles" | "usage" | "unreachable") => void;
}

const HELP = `
Each line of the trail holds the SHA-256 of the line before it. verify reads all of them, offline, and names every line that was
altered, removed or moved. Lines cut off at the end are found only by who has noted the head of the chain: "qkdctl status" shows
it, the log tells it when a node ends, and a running node is asked for it.

Examples:
  qkdctl audit verify                              the trail of the node at the operator port, its head too
  qkdctl audit verify /var/lib/qkdnd/north/audit   a folder, or a copy of one
  qkdctl audit verify FOLDER --noted 1234:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
  qkdctl audit tail -n 20 | jq -c 'select(.event == "keys-supplied")'
`;

interface VerifyOptions {
  readonly json: boolean;
  readonly url?: string;
  readonly noted: readonly ChainPosition[];
}

export function auditCommand(parts: AuditCommandParts): Command {
  const audit = new Command("audit").description("the audit trail: verify its chain, show its last lines");
  audit
    .command("verify")
    .description("reads the whole trail; 1 when a line was altered, removed or moved")
    .argument("[folder]", "the folder of the trail (default: the one of the node that answers)")
    .option("--json", "print it for programs", false)
    .option(...parts.urlOption)
    .option("--noted <sequence:sha256>", "a head that was noted earlier; may be given again", notedHead, [])
    .addHelpText("after", HELP)
    .action(async (folder: string | undefined, options: VerifyOptions) => {
      await withFolder(folder, options.url, parts, async (at, head) => {
        const report = await checkAuditFolder(at, [...options.noted, ...head]);
        parts.out(options.json ? `${JSON.stringify(report, undefined, 2)}\n` : textOf(report));
        parts.ends(report.problemsInAll === 0 ? "ok" : "troubles");
      });
    });
  audit
    .command("tail")
    .description("prints the last lines as they are")
    .argument("[folder]", "the folder of the trail (default: the one of the node that answers)")
    .option("-n, --lines <count>", "how many", lineCount, 10)
    .option(...parts.urlOption)
    .addHelpText("after", HELP)
    .action(async (folder: string | undefined, { lines, url }: { readonly lines: number; readonly url?: string }) => {
      await withFolder(folder, url, parts, async (at) => parts.out(await lastLines(at, lines)));
    });
  return audit;
}

async function withFolder(
  given: string | undefined,
  url: string | undefined,
  parts: AuditCommandParts,
  use: (folder: string, head: readonly ChainPosition[]) => Promise<void>,
): Promise<void> {
  const asked = parts.url(url);
  if (given === undefined && typeof asked === "string") {
    parts.err(`${asked}\n`);
    return parts.ends("usage");
  }
  const status = given === undefined ? await fetchStatus(asked as URL, parts.answerMsMax) : undefined;
  if (typeof status === "string") {
    parts.err(`${status}; or name the folder of the trail\n`);
    return parts.ends("unreachable");
  }
  const folder = given ?? status!.audit?.folder ?? "";
  try {
    await use(folder, status?.audit === undefined ? [] : [status.audit]);
  } catch (failure) {
    parts.err(`the audit trail in ${folder} cannot be read: ${sentenceOf(failure)}\n`);
    parts.ends("unreachable");
  }
}

/** Plain text, for people. */
export function textOf({ folder, files, lines, first, last, gaps, endIsTorn, ...found }: AuditReport): string {
  const { problems, problemsInAll } = found;
  const said = [
    `${folder}: ${lines} lines in ${files} files, ${first} to ${last.sequence}`,
    `head ${last.sequence}:${last.head}`,
    ...(first > 1 ? [`it begins at ${first}: earlier files are elsewhere`] : []),
    ...(gaps > 0 ? [`${gaps} starts after an end that was not in order: there the last second may be missing`] : []),
    ...(endIsTorn ? ["the last line is torn: the process ended while it wrote; the next start closes it"] : []),
    ...problems.map(({ file, line, sentence }) => `! ${file}:${line}: ${sentence}`),
    problemsInAll === 0 ? "the chain is whole" : `THE CHAIN IS BROKEN: ${problemsInAll} places`,
  ];
  return `${said.join("\n")}\n`;
}

async function lastLines(folder: string, count: number): Promise<string> {
  const last: string[] = [];
  for (const name of [...(await auditFiles(folder))].reverse()) {
    const inFile: string[] = [];
    for await (const { bytes } of linesOf(createReadStream(join(folder, name)))) {
      if (bytes.length > 0) inFile.push(bytes.toString("utf8"));
      if (inFile.length > count - last.length) inFile.shift();
    }
    last.unshift(...inFile);
    if (last.length >= count) break;
  }
  return last.map((line) => `${line}\n`).join("");
}

function notedHead(given: string, before: readonly ChainPosition[]): readonly ChainPosition[] {
  const [, sequence, head] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(given) ?? [];
  if (head === undefined) throw new InvalidArgumentError("It is the number of a line, a colon and 64 hex digits.");
  return [...before, { sequence: Number(sequence), head }];
}

function lineCount(given: string): number {
  const count = Number(given);
  if (!Number.isInteger(count) || count < 1 || count > 100_000) {
    throw new InvalidArgumentError("It is a number from 1 to 100000.");
  }
  return count;
}
