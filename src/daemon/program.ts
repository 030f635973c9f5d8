/** The command line of `qkdnd`. */
import { Command, CommanderError } from "commander";

import manifest from "../../package.json" with { type: "json" };
import { StartFailure } from "../demo/demo-child.ts";
import { loadDrivers } from "../io/driver-loader.ts";
import { isQkdError } from "../model/errors.ts";
import { readConfigFile } from "./config-file.ts";
import { demoCommand, runDemoCommand } from "./demo-command.ts";
import { EXIT, EXIT_TEXTS, exitCodeOf } from "./exit-codes.ts";
import { DRIVERS_FOLDER, runDaemon } from "./run.ts";
import { readRoot } from "./root-key.ts";
import { readTlsFiles } from "./tls-files.ts";

const EXAMPLES = `
Examples:
  qkdnd                                      the demo network: five nodes in a ring, ten emulated modules (as: qkdnd demo)
  qkdnd demo --help                          other shapes, fibres, ports
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
    return failure instanceof StartFailure ? (failure.exitCode ?? EXIT.bug) : exitCodeOf(failure);
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
      ends(config === undefined ? await runDemoCommand({}) : await runDaemon(config));
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
  program.addCommand(demoCommand(ends).copyInheritedSettings(program));
  return program;
}

async function checkConfig(path: string): Promise<void> {
  const config = await readConfigFile(path, await loadDrivers(DRIVERS_FOLDER));
  await readTlsFiles(config, Date.now());
  if (config.root.kind === "file" || process.env["CREDENTIALS_DIRECTORY"] !== undefined) {
    (await readRoot(config, process.env["CREDENTIALS_DIRECTORY"])).erase();
  }
  process.stdout.write(`${config.file} is right: node ${config.node.node}, ${config.node.links.length} links\n`);
}

/** What was thrown, as an operator reads it. A bug of ours is shown with its place. */
function textOf(failure: unknown): string {
  if (isQkdError(failure) || failure instanceof StartFailure) return `qkdnd: ${failure.message}`;
  return `qkdnd: ${failure instanceof Error ? (failure.stack ?? failure.message) : String(failure)}`;
}
