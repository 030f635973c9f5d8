/** `qkdctl drain`, `qkdctl quarantine` and `qkdctl zeroize`: what changes a node is asked at its unix socket, never at the operator port. */
import { Command, InvalidArgumentError } from "commander";

import { askControlSocket } from "../io/control-socket.ts";
import { sentenceOf } from "../model/errors.ts";
import { SECOND_MS } from "../model/units.ts";
import { type ControlRequest, LEAVE_MS_DEFAULT, type QuarantinedPart, ZEROIZE_WORD } from "./node-control.ts";

export const DEFAULT_SOCKET = "/run/qkdnd/control.sock";
const SOCKET_OPTION = [
  "--socket <path>",
  `control socket of the node, for its user and root (default: $QKDCTL_SOCKET, else ${DEFAULT_SOCKET})`,
] as const;
/** A disk that is slow while its key is destroyed. */
const ANSWER_MS_MAX = 30_000;

export interface ControlCommandParts {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  readonly ends: (end: "ok" | "troubles" | "usage" | "unreachable") => void;
}

interface Answer {
  readonly links: readonly QuarantinedPart[];
  readonly released: readonly string[];
  readonly ok: boolean;
  readonly error?: string;
  readonly node: string;
  readonly draining: boolean;
  readonly leaving: boolean;
  readonly relaysUnderWay: number;
  readonly dataKeys: number;
  readonly tookMs: number;
}

interface Options {
  readonly json: boolean;
  readonly socket?: string;
}

const DRAIN_HELP = `
A node that is drained takes no key from its modules, starts no relay and refuses those of others, who go other ways. It goes on
serving SAEs from its stock, and is not ready any more, so that new ones are sent elsewhere. A restart ends it.

Examples:
  qkdctl drain                        begin; "qkdctl status" shows how the stock goes down
  qkdctl drain --leave --within 5min  ... and end the process when no relay is under way, or after that time
  qkdctl drain --cancel               take part again
`;

const ZEROIZE_HELP = `
Destroys every key of the node: first the keys that all stock is sealed under, in memory and on the disk, then all key in memory.
No copy of its data folder can be read after that, also with the root key. It cannot be undone. The process ends with exit code 79,
and systemd does not start it again; move the data folder and the nv file away to begin anew. Keys that SAEs have received, and the
other node's copies of what was in stock, are not reached by it.

Example:
  qkdctl zeroize --yes-destroy-all-keys
`;

export function drainCommand(parts: ControlCommandParts): Command {
  return new Command("drain")
    .description("takes a node out of service: it serves what it has, and takes part in nothing else")
    .option("--leave", "end the process when nothing is under way", false)
    .option("--within <time>", "with --leave: the longest wait, such as 90s or 5min", timeOf, LEAVE_MS_DEFAULT)
    .option("--cancel", "take part again", false)
    .option("--json", "print it for programs", false)
    .option(...SOCKET_OPTION)
    .addHelpText("after", DRAIN_HELP)
    .action(async ({ leave, within, cancel, ...options }: Options & Drain) => {
      if (leave && cancel) {
        parts.err("--leave and --cancel do not go together\n");
        return parts.ends("usage");
      }
      await ask(
        parts,
        options,
        cancel ? { ask: "cancel-drain" } : { ask: "drain", leave, withinMs: within },
        (answer) => {
          const state = answer.leaving ? "leaves" : answer.draining ? "drains" : "takes part in all again";
          return `${answer.node} ${state}; relays under way: ${answer.relaysUnderWay}`;
        },
      );
    });
}

const QUARANTINE_HELP = `
A part of a link that fails again and again is put out of service, and tried again by itself after a while: module (it gives unfit
key), agreement (the ends hold different bits), tags (what comes under the neighbour's pads does not verify). Stock is used meanwhile.

Examples:
  qkdctl quarantine list
  qkdctl quarantine release aachen--bonn   it is mended: tried again at once, at this end of the link
`;

/** Parts of links that are out of service, and their way back. */
export function quarantineCommand(parts: ControlCommandParts): Command {
  const command = new Command("quarantine")
    .description("parts of links that failed too often: shows them, or takes them back into service")
    .addHelpText("after", QUARANTINE_HELP);
  command
    .command("list")
    .description("what is out of service, why, and when it is tried again")
    .option("--json", "print it for programs", false)
    .option(...SOCKET_OPTION)
    .action((options: Options) => ask(parts, options, { ask: "quarantine" }, quarantineText));
  command
    .command("release")
    .description("takes all parts of a link back into service, at this end of it")
    .argument("<link>", "its id, or the neighbour's")
    .option("--json", "print it for programs", false)
    .option(...SOCKET_OPTION)
    .action((link: string, options: Options) =>
      ask(parts, options, { ask: "release", link }, ({ released }) =>
        released.length === 0
          ? `nothing of ${link} was out of service`
          : `${link}: ${released.join(", ")} in service again`,
      ),
    );
  return command;
}

function quarantineText({ node, links }: Answer): string {
  if (links.length === 0) return `${node}: all is in service`;
  const seconds = (ms: number): number => Math.ceil(ms / SECOND_MS);
  return links
    .map(
      ({ link, part, reason, remainingMs }) => `${link}: ${part}: ${reason}; tried again in ${seconds(remainingMs)} s`,
    )
    .join("\n");
}

interface Drain {
  readonly leave: boolean;
  readonly within: number;
  readonly cancel: boolean;
}

export function zeroizeCommand(parts: ControlCommandParts): Command {
  return new Command("zeroize")
    .description("destroys every key of a node, at once and for ever, and ends it")
    .requiredOption("--yes-destroy-all-keys", "you mean it")
    .option("--json", "print it for programs", false)
    .option(...SOCKET_OPTION)
    .addHelpText("after", ZEROIZE_HELP)
    .action(async (options: Options) => {
      await ask(parts, options, { ask: "zeroize", confirm: ZEROIZE_WORD }, ({ node, dataKeys, tookMs }) => {
        return `all key of ${node} was destroyed within ${tookMs} ms, ${dataKeys} pieces of stock; the node has ended`;
      });
    });
}

async function ask(
  { environment, out, err, ends }: ControlCommandParts,
  options: Options,
  request: ControlRequest,
  text: (answer: Answer) => string,
): Promise<void> {
  const path = options.socket ?? environment["QKDCTL_SOCKET"] ?? DEFAULT_SOCKET;
  try {
    const answer = (await askControlSocket({ path, name: "qkdnd", answerMsMax: ANSWER_MS_MAX }, request)) as Answer;
    if (!answer.ok) {
      err(`the node refused: ${answer.error ?? "it does not say why"}\n`);
      return ends("troubles");
    }
    out(options.json ? `${JSON.stringify(answer, undefined, 2)}\n` : `${text(answer)}\n`);
  } catch (failure) {
    err(`${sentenceOf(failure)}; its user or root may ask, and only on its own host\n`);
    ends("unreachable");
  }
}

const SECONDS: Readonly<Record<string, number>> = { s: 1, min: 60, h: 3600 };

function timeOf(given: string): number {
  const [, amount, unit] = /^(\d{1,5})(s|min|h)$/.exec(given) ?? [];
  const ms = Number(amount) * (SECONDS[unit ?? ""] ?? Number.NaN) * SECOND_MS;
  if (!(ms <= 86_400_000)) throw new InvalidArgumentError('It is a time of at most 24h, such as "90s", "5min".');
  return ms;
}
