/** `qkdnd demo` as words of a command line. */
import { resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";

import { LINK_PROFILE_NAMES, linkProfileTexts } from "../emulator/link-profiles.ts";
import { askDemo } from "../demo/demo-control.ts";
import { DEMO_DEFAULTS, PORTS_BETWEEN_NODES } from "../demo/demo-plan.ts";
import { NODES_MAX, NODES_MIN, SHAPES, SHAPE_NAMES } from "../demo/demo-shape.ts";
import type { DemoRequest } from "../demo/demo.ts";
import { NODE_ACTS, NODE_ACT_NAMES, type NodeAct } from "../demo/node-act.ts";
import { isQkdError } from "../model/errors.ts";
import { EXIT } from "./exit-codes.ts";

const PORT_MAX = 65_535 - NODES_MAX * PORTS_BETWEEN_NODES;

const HELP = `
Shapes:
${SHAPE_NAMES.map((name) => `  ${name.padEnd(5)}  ${SHAPES[name]}`).join("\n")}

Link profiles (length, secret key rate, QBER, and where the figures come from):
${linkProfileTexts().join("\n")}

Each node has ten ports on 127.0.0.1, of which it takes three. With --base-port 9611: 9611 towards other nodes, 9613
towards SAEs, 9614 for its operator (qkdctl status); the second node 9621, 9623, 9624, and so on.

The data folder keeps everything: demo.json tells other programs what runs where, prometheus.yml makes a Prometheus look
at all nodes, emulator.socket takes faults (qkd-emulator ctl --help). The same folder again goes on with the same stores.

Examples:
  qkdnd demo stop bonn        (in another terminal, while the demo runs)
  qkdnd demo --nodes 8
  qkdnd demo --shape chain --nodes 3 --profile backbone
  qkdnd demo --length-km 60 --data-dir /tmp/q --base-port 0
`;

/** The options as commander names them. */
interface DemoWords extends Omit<DemoRequest, "data" | "firstPort"> {
  readonly dataDir: string;
  readonly portBase: number;
}

const DEFAULT_WORDS: DemoWords = {
  ...DEMO_DEFAULTS,
  dataDir: DEMO_DEFAULTS.data,
  portBase: DEMO_DEFAULTS.firstPort,
};

export function demoCommand(ends: (exitCode: number) => void): Command {
  const command = new Command("demo")
    .description("runs a network of daemons with emulated modules, and shows it; Ctrl-C ends it")
    .option("--nodes <n>", `how many, ${NODES_MIN} to ${NODES_MAX}`, nodesFrom, DEMO_DEFAULTS.nodes)
    .addOption(new Option("--shape <name>", "see below").choices(SHAPE_NAMES).default(DEMO_DEFAULTS.shape))
    .addOption(
      new Option("--profile <name>", "of every link, see below")
        .choices(LINK_PROFILE_NAMES)
        .default(DEMO_DEFAULTS.profile),
    )
    .option("--length-km <km>", "length of each fibre, instead of the profile's", numberFrom)
    .option("--rate <bit/s>", "secret key rate of each link, instead of one worked out from the length", numberFrom)
    .option("--base-port, --port-base <n>", "first port; 0 takes free ones", portFrom, DEMO_DEFAULTS.firstPort)
    .option("--data, --data-dir <folder>", "where all of it is kept", DEMO_DEFAULTS.data)
    .enablePositionalOptions()
    .addHelpText("after", HELP)
    .action(async (words: DemoWords) => ends(await runDemoCommand(words)));
  for (const act of NODE_ACT_NAMES) command.addCommand(actCommand(act, ends));
  return command;
}

/** What is done to one node of a demo that runs in another terminal. */
function actCommand(act: NodeAct, ends: (exitCode: number) => void): Command {
  return new Command(act)
    .description(NODE_ACTS[act])
    .argument("<node>", "its name")
    .option("--data, --data-dir <folder>", "of the running demo", DEMO_DEFAULTS.data)
    .action(async (node: string, { dataDir }: { readonly dataDir: string }) => {
      try {
        await askDemo(resolve(dataDir), act, node);
      } catch (failure) {
        if (!isQkdError(failure)) throw failure;
        process.stderr.write(`qkdnd: ${failure.message}\n`);
        ends(EXIT.usage);
      }
    });
}

export async function runDemoCommand(words: Partial<DemoWords>): Promise<number> {
  const { runDemo } = await import("../demo/demo.ts"); // a daemon needs none of it
  const { dataDir, portBase, ...others } = { ...DEFAULT_WORDS, ...words };
  await runDemo({ ...others, data: dataDir, firstPort: portBase });
  return EXIT.ok;
}

function numberFrom(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value > 0)) throw new InvalidArgumentError("It is a number above 0.");
  return value;
}

function nodesFrom(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= NODES_MIN && value <= NODES_MAX) return value;
  throw new InvalidArgumentError(`It is a whole number from ${NODES_MIN} to ${NODES_MAX}.`);
}

function portFrom(text: string): number {
  const value = Number(text);
  if (/^\d{1,5}$/.test(text) && value <= PORT_MAX) return value;
  throw new InvalidArgumentError(`It is a whole number from 0 to ${PORT_MAX}.`);
}
