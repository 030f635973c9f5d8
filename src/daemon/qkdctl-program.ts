/** `qkdctl`: what an operator asks a running node at its operator port. */
import { Command, CommanderError } from "commander";

import manifest from "../../package.json" with { type: "json" };
import { renderMap } from "../api/operator/map-text.ts";
import { type NodeStatus, troublesOf } from "../api/operator/node-status.ts";
import { plannedPools, renderPlan } from "../api/operator/plan-text.ts";
import { renderStatus } from "../api/operator/status-text.ts";
import { fetchStatus } from "../io/operator-client.ts";
import { isQkdError } from "../model/errors.ts";
import { auditCommand } from "./qkdctl-audit.ts";
import { drainCommand, quarantineCommand, zeroizeCommand } from "./qkdctl-control.ts";
import { showTop } from "./qkdctl-top.ts";

export const DEFAULT_URL = "http://127.0.0.1:9614";
const ANSWER_TIMEOUT_MS = 5000;

const URL_OPTION = ["--url <url>", `operator port of the node (default: $QKDCTL_URL, else ${DEFAULT_URL})`] as const;

/** What scripts may rely on. */
export const EXIT = { ok: 0, troubles: 1, usage: 2, unreachable: 69 } as const;

/** What the program uses of the machine. */
export interface Terminal {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

const HELP = `
Exit codes:
  ${EXIT.ok}   the node is ready, and nothing needs a look; for map: there is a way to every node; for plan: no request waits;
     for audit verify: the chain is whole
  ${EXIT.troubles}   the node is not ready, or something needs a look (lines with "!"); for map: some way is missing; for plan: a pool is empty;
     for audit verify: a line was altered, removed or moved
  ${EXIT.usage}   this command line is wrong
  ${EXIT.unreachable}  no node answers there; for audit: the trail cannot be read

Examples:
  qkdctl status
  qkdctl status --url http://10.0.0.7:9614
  qkdctl top --demo demo-data/demo.json
  qkdctl status --json | jq '.pools[] | {remote, direction, keys}'
  qkdctl plan
  qkdctl plan --json | jq -r '.pools[] | "\\(.remote): \\(.plan.reason)"'
  qkdctl map
  qkdctl audit verify
  qkdctl drain --leave
  qkdctl map --json | jq -r '.routes[] | "\\(.to): \\(.route)"'
  QKDCTL_URL=http://10.0.0.7:9614 qkdctl status > /dev/null || echo "look at this node"
`;

/**
 * Runs one command line.
 *
 * @param words  the words after the program's name
 * @returns the exit code
 */
export async function runQkdctl(words: readonly string[], terminal: Terminal): Promise<number> {
  let exitCode: number = EXIT.ok;
  const program = new Command("qkdctl")
    .description("Shows the state of a QKD trusted node (qkdnd), drains it, destroys its key.")
    .version(manifest.version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand(false)
    .addHelpText("after", HELP)
    .showHelpAfterError('("qkdctl --help" shows what there is)')
    .configureOutput({ writeOut: terminal.out, writeErr: terminal.err })
    .exitOverride();
  for (const { name, about, show } of COMMANDS) {
    program
      .command(name)
      .description(about)
      .option("--json", "print it for programs", false)
      .option(...URL_OPTION)
      .addHelpText("after", HELP)
      .action(async (options: Options) => {
        exitCode = await askNode(options, terminal, show);
      });
  }
  program
    .command("top")
    .description("the same as a live picture, until q; with --demo all nodes of a demo")
    .option(...URL_OPTION)
    .option("--demo <file>", "demo.json in the data folder of a running demo")
    .action(async (options: { readonly url?: string; readonly demo?: string }) => {
      exitCode = await showTopOf(options, terminal);
    });
  const ends = (end: keyof typeof EXIT): void => void (exitCode = EXIT[end]);
  const url = (given: string | undefined): URL | string =>
    urlOf(given === undefined ? {} : { url: given }, terminal.environment);
  const asking = { ...terminal, url, urlOption: URL_OPTION, answerMsMax: ANSWER_TIMEOUT_MS, ends };
  for (const command of [
    auditCommand(asking),
    drainCommand(asking),
    quarantineCommand(asking),
    zeroizeCommand(asking),
  ]) {
    program.addCommand(inheriting(program, command));
  }
  if (words.length === 0) {
    terminal.err(program.helpInformation() + HELP);
    return EXIT.usage;
  }
  try {
    await program.parseAsync(words, { from: "user" });
    return exitCode;
  } catch (error) {
    // Commander has printed what is wrong, or the help or version that was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    throw error;
  }
}

/** A command made elsewhere talks, and ends, as those made here. */
function inheriting(program: Command, command: Command): Command {
  command.copyInheritedSettings(program);
  for (const inner of command.commands) inner.copyInheritedSettings(program);
  return command;
}

interface Options {
  readonly json: boolean;
  readonly url?: string;
}

/** What is printed of a status, for people and for programs, and what a script learns by the exit code. */
type Show = (status: NodeStatus) => { readonly text: string; readonly json: unknown; readonly exitCode: number };

const COMMANDS: readonly { readonly name: string; readonly about: string; readonly show: Show }[] = [
  {
    name: "status",
    about: "links, modules, pools and the ledger of key of one node; troubles first",
    show: (status) => {
      const isWell = status.health.ready && troublesOf(status).length === 0;
      return { text: renderStatus(status), json: status, exitCode: isWell ? EXIT.ok : EXIT.troubles };
    },
  },
  {
    name: "plan",
    about:
      "how the pools that one node fills are planned: demand, target, orders, and why; 1 where requests wait or a pool is empty",
    show: ({ node, pools }) => {
      const planned = plannedPools(pools);
      const isWell = planned.every(
        ({ keys, targetKeys, plan }) => plan.waitingBytes === 0 && (keys > 0 || targetKeys === 0),
      );
      return {
        text: renderPlan({ node, pools }),
        json: { node, pools: planned },
        exitCode: isWell ? EXIT.ok : EXIT.troubles,
      };
    },
  },
  {
    name: "map",
    about: "the network as one node knows it: links, their pad, and the ways that relays take; 1 where there is no way",
    show: (status) => {
      const isWhole = status.map.routes.every(({ route }) => route !== undefined);
      return { text: renderMap(status), json: status.map, exitCode: isWhole ? EXIT.ok : EXIT.troubles };
    },
  },
];

async function askNode(options: Options, { environment, out, err }: Terminal, show: Show): Promise<number> {
  const url = urlOf(options, environment);
  if (typeof url === "string") {
    err(`${url}\n`);
    return EXIT.usage;
  }
  const answer = await fetchStatus(url, ANSWER_TIMEOUT_MS);
  if (typeof answer === "string") {
    err(`${answer}\n`);
    return EXIT.unreachable;
  }
  const { text, json, exitCode } = show(answer);
  out(options.json ? `${JSON.stringify(json, undefined, 2)}\n` : text);
  return exitCode;
}

/** Where to ask, or a sentence that says why not. */
function urlOf(options: { readonly url?: string }, environment: Terminal["environment"]): URL | string {
  const given = options.url ?? environment["QKDCTL_URL"];
  const url = URL.parse(given === undefined || given === "" ? DEFAULT_URL : given);
  return url !== null && /^https?:$/.test(url.protocol) ? url : `"${given}" is no URL; it looks like ${DEFAULT_URL}`;
}

async function showTopOf(
  { demo, ...options }: { readonly url?: string; readonly demo?: string },
  { environment, err }: Terminal,
): Promise<number> {
  const url = urlOf(options, environment);
  if (demo === undefined && typeof url === "string") {
    err(`${url}\n`);
    return EXIT.usage;
  }
  try {
    await showTop(demo === undefined ? { url: url as URL } : { demoFile: demo });
    return EXIT.ok;
  } catch (failure) {
    if (!isQkdError(failure)) throw failure;
    err(`${failure.message}\n`);
    return EXIT.unreachable;
  }
}
