/** The command line of `qkdnd`. */
import { Command, CommanderError, InvalidArgumentError } from "commander";

import manifest from "../../package.json" with { type: "json" };
import { loadDrivers } from "../io/driver-loader.ts";
import { isQkdError } from "../model/errors.ts";
import { readConfigFile } from "./config-file.ts";
import { StartFailure } from "./demo-child.ts";
import type { DemoRequest } from "./demo.ts";
import { DEMO_DEFAULTS, DEMO_PORTS } from "./demo-plan.ts";
import { EXIT, EXIT_TEXTS, exitCodeOf } from "./exit-codes.ts";
import { DRIVERS_FOLDER, runDaemon } from "./run.ts";
import { readRoot } from "./root-key.ts";
import { readTlsFiles } from "./tls-files.ts";

const EXAMPLES = `
Examples:
  qkdnd                                      the demo network: three nodes, four emulated modules (as: qkdnd demo)
  qkdnd demo --length-km 60 --data /tmp/q    another fibre, another data folder
  qkdnd check-config --config qkdnd.yaml     is this file right, and all that it names there?
  qkdnd --config qkdnd.yaml                  one node (as: qkdnd run --config qkdnd.yaml)

From the sources: npm start -- ARGUMENTS, say npm start -- --config qkdnd.yaml
A file to begin with: docs/qkdnd.example.yaml. Status of a running node: qkdctl status.
`;

const EXIT_HELP = `
Exit codes:
${EXIT_TEXTS.map(([code, meaning]) => `  ${String(code).padEnd(4)}${meaning}`).join("\n")}
`;

/**
 * Runs one command line.
 *
 * @param words  the words after the program's name
 * @returns the exit code
 */
export async function runProgram(words: readonly string[]): Promise<number> {
  let exitCode: number = EXIT.ok;
  const program = commandLine((code) => (exitCode = code));
  try {
    await program.parseAsync(words, { from: "user" });
    return exitCode;
  } catch (failure) {
    // Commander has printed what is wrong, or the help or version that was asked for.
    if (failure instanceof CommanderError) return failure.exitCode === 0 ? EXIT.ok : EXIT.usage;
    process.stderr.write(`${textOf(failure)}\n`);
    return failure instanceof StartFailure ? failure.exitCode : exitCodeOf(failure);
  }
}

function commandLine(ends: (exitCode: number) => void): Command {
  const program = new Command("qkdnd")
    .description("The daemon of a trusted node in a QKD network: keys are there before they are asked for.")
    .version(manifest.version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand(false)
    .enablePositionalOptions()
    .option("--config <file>", "run the node of this file; without it, the demo network")
    .addHelpText("after", EXAMPLES + EXIT_HELP)
    .showHelpAfterError('("qkdnd --help" shows what there is)')
    .exitOverride()
    .allowExcessArguments(false)
    .action(async ({ config }: { readonly config?: string }) => {
      ends(config === undefined ? await demo({}) : await runDaemon(config));
    });
  program
    .command("run")
    .description("runs one node until SIGTERM or SIGINT")
    .requiredOption("--config <file>", "YAML; docs/qkdnd.example.yaml is one to begin with")
    .addHelpText("after", EXIT_HELP)
    .action(async ({ config }: { readonly config: string }) => ends(await runDaemon(config)));
  program
    .command("check-config")
    .description("checks a configuration file and the files that it names, and opens nothing")
    .requiredOption("--config <file>", "YAML")
    .action(async ({ config }: { readonly config: string }) => checkConfig(config));
  program
    .command("drivers")
    .description("lists the drivers for QKD modules that were found")
    .action(async () => {
      process.stdout.write(`${(await loadDrivers(DRIVERS_FOLDER)).names.join("\n")}\n`);
    });
  program
    .command("demo")
    .description("runs three nodes in a chain, with emulated modules; ends them with Ctrl-C")
    .option("--data <folder>", "where all of it is kept; the same folder again continues", DEMO_DEFAULTS.data)
    .option("--base-port <n>", "first of nine ports on 127.0.0.1; 0 takes free ones", portFrom, DEMO_DEFAULTS.basePort)
    .option("--length-km <km>", "length of each of the two fibres", numberFrom, DEMO_DEFAULTS.lengthKm)
    .option("--rate <bit/s>", "secret key rate of each link, instead of one worked out from the length", numberFrom)
    .action(async (options: DemoRequest) => ends(await demo(options)));
  return program;
}

async function demo(options: Partial<DemoRequest>): Promise<number> {
  const { runDemo } = await import("./demo.ts"); // a daemon needs none of it
  return runDemo({ ...DEMO_DEFAULTS, ...options });
}

async function checkConfig(path: string): Promise<void> {
  const config = await readConfigFile(path, await loadDrivers(DRIVERS_FOLDER));
  await readTlsFiles(config, Date.now());
  if (config.root.kind === "file" || process.env["CREDENTIALS_DIRECTORY"] !== undefined) {
    (await readRoot(config, process.env["CREDENTIALS_DIRECTORY"])).erase();
  }
  process.stdout.write(`${config.file} is right: node ${config.node.node}, ${config.node.links.length} links\n`);
}

function numberFrom(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value > 0)) throw new InvalidArgumentError("It is a number above 0.");
  return value;
}

function portFrom(text: string): number {
  const value = Number(text);
  const highest = 65_535 - DEMO_PORTS;
  if (/^\d{1,5}$/.test(text) && value <= highest) return value;
  throw new InvalidArgumentError(`It is a whole number from 0 to ${highest}.`);
}

/** What was thrown, as an operator reads it. A bug of ours is shown with its place. */
function textOf(failure: unknown): string {
  if (isQkdError(failure) || failure instanceof StartFailure) return `qkdnd: ${failure.message}`;
  return `qkdnd: ${failure instanceof Error ? (failure.stack ?? failure.message) : String(failure)}`;
}
