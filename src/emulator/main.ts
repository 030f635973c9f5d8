/** `qkd-emulator`: QKD modules without hardware, at pseudo-terminals. */
import { Argument, Command, InvalidArgumentError, Option } from "commander";
import { createSystemClock } from "../io/system-clock.ts";
import { createSystemRandom } from "../io/system-random.ts";
import { sentenceOf } from "../model/errors.ts";
import { openScope } from "../runtime/scope.ts";
import { parseEmulatorConfig, readEmulatorConfig, type EmulatorConfig, type LinkDescription } from "./config.ts";
import { askControl, serveControl, type ControlRequest } from "./control.ts";
import { type EmulatedLinkState, FAULTS, FAULT_NAMES, openEmulator, type FaultName } from "./emulator.ts";
import { linkTable } from "./link-table.ts";
import { LINK_PROFILE_NAMES, type LinkProfileName, linkProfileTexts } from "./link-profiles.ts";
import { EQUIPMENT, EQUIPMENT_NAMES, type EquipmentName } from "./rate-model.ts";
import { createStderrLog } from "./stderr-log.ts";

const CONFIG_EXAMPLE = `
A file with two links, YAML or JSON:

  links:
    - { id: a--b, a: /tmp/qkd/a-to-b, b: /tmp/qkd/b-to-a, lengthKm: 25 }
    - { id: b--c, a: /tmp/qkd/b-to-c, b: /tmp/qkd/c-to-b, rateBps: 50000, blockBytes: 4096 }
  control: /tmp/qkd/control

Per link: id, a, b (names to be made for the two terminals); profile, or lengthKm with equipment, or rateBps; blockBytes
(1 to 65536), keptBytes (key kept for an end that has not acknowledged it), seed (the same key each time: for tests only).

When every terminal is there, one line is printed: {"ready":true,"links":[...]}. SIGTERM and SIGINT end it.`;

const PROFILES = `
Profiles:
${linkProfileTexts().join("\n")}

Equipment:
${EQUIPMENT_NAMES.map((name) => `  ${name.padEnd(10)} ${EQUIPMENT[name].about}`).join("\n")}`;

const CONTROL_DEFAULT = "demo-data/emulator.socket";

const CTL_HELP = `
${FAULT_NAMES.map((name) => `  ${name.padEnd(9)}${FAULTS[name]}`).join("\n")}
  status   prints every link

LINK is its id, END is a or b, or the name of the node there; without END both ends are meant.

Try it, while the demo network runs (npm start):
  qkd-emulator ctl status
  qkd-emulator ctl cut aachen--bonn              and then: ctl restore aachen--bonn
  qkd-emulator ctl unplug aachen--bonn bonn      and then: ctl plug aachen--bonn bonn
  qkd-emulator ctl flip aachen--bonn aachen      the segment is found out and discarded
  qkd-emulator ctl stuck aachen--bonn            the module is taken out of service; then: ctl restore aachen--bonn`;

interface LinkOptions {
  readonly id: string;
  readonly a: string;
  readonly b: string;
  readonly lengthKm?: number;
  readonly profile?: LinkProfileName;
  readonly equipment?: EquipmentName;
  readonly rate?: number;
  readonly blockBytes?: number;
  readonly seed?: string;
  readonly control?: string;
}

function number(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new InvalidArgumentError("It is not a number.");
  return value;
}

const program = new Command("qkd-emulator")
  .description("QKD modules without hardware: both ends of each link give the same key blocks, at pseudo-terminals.")
  .addHelpText("after", "\nTry it:\n  qkd-emulator link --a /tmp/qkd-a --b /tmp/qkd-b --length-km 25");

program
  .command("run")
  .description("plays the links of a file until it is told to end")
  .requiredOption("--config <file>", "YAML or JSON")
  .option("--control <path>", "unix socket for `qkd-emulator ctl` (instead of the file's)")
  .addHelpText("after", CONFIG_EXAMPLE)
  .action(async (options: { config: string; control?: string }) => {
    const config = await readEmulatorConfig(options.config);
    await run({ ...config, control: options.control ?? config.control });
  });

program
  .command("link")
  .description("plays one link until it is told to end")
  .requiredOption("--a <path>", "name to be made for the terminal of one module")
  .requiredOption("--b <path>", "name to be made for the terminal of the other")
  .option("--id <name>", "the link's name", "link")
  .addOption(new Option("--profile <name>", "a kind of link, see below").choices(LINK_PROFILE_NAMES))
  .option("--length-km <km>", "length of the fibre", number)
  .addOption(new Option("--equipment <name>", "kind of modules (default: t12-fit)").choices(EQUIPMENT_NAMES))
  .option("--rate <bit/s>", "secret key rate, instead of one worked out from the length", number)
  .option("--block-bytes <n>", "bytes of each key block, 1 to 65536", number)
  .option("--seed <text>", "the same key each time: for tests only")
  .option("--control <path>", "unix socket for `qkd-emulator ctl`")
  .addHelpText("after", PROFILES)
  .action(async ({ rate, control, ...others }: LinkOptions) => {
    const link: LinkDescription = { ...others, ...(rate === undefined ? {} : { rateBps: rate }) };
    await run(parseEmulatorConfig({ links: [link], ...(control === undefined ? {} : { control }) }));
  });

program
  .command("ctl")
  .description("makes a running emulator misbehave, or behave again")
  .addOption(
    new Option("--control <path>", "unix socket of the running emulator")
      .env("QKD_EMULATOR_CONTROL")
      .default(CONTROL_DEFAULT, `${CONTROL_DEFAULT}, that of the demo network`),
  )
  .option("--json", "print it for programs", false)
  .addArgument(new Argument("<command>").choices([...FAULT_NAMES, "status"]))
  .argument("[link]", "the link's id")
  .argument("[end]", "one end only")
  .addHelpText("after", CTL_HELP)
  .action(async (name: FaultName | "status", link: string | undefined, end: string | undefined, options) => {
    await control({ name, link, end }, options as ControlOptions);
  });

interface ControlOptions {
  readonly control: string;
  readonly json: boolean;
}

async function run(config: EmulatorConfig): Promise<void> {
  const log = createStderrLog();
  const scope = openScope("qkd-emulator", log);
  const parts = { clock: createSystemClock(), random: createSystemRandom(), log };
  try {
    const emulator = await openEmulator(config.links, parts, scope);
    if (config.control !== undefined) await serveControl(config.control, emulator, scope);
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => void scope.close());
    const links = config.links.map(({ id, a, b, rateBps, qber, blockBytes }) => ({
      id,
      a,
      b,
      rateBps,
      qber,
      blockBytes,
    }));
    process.stdout.write(`${JSON.stringify({ ready: true, links })}\n`);
  } catch (error) {
    await scope.close(error);
  }
  await scope.closed;
}

async function control(
  { name, link, end }: { name: FaultName | "status"; link: string | undefined; end: string | undefined },
  { control: path, json }: ControlOptions,
): Promise<void> {
  const ask = async (request: ControlRequest): Promise<readonly EmulatedLinkState[]> => {
    const reply = await askControl(path, request);
    if (!reply.ok) throw new Error(reply.error);
    return reply.links;
  };
  if (name !== "status" && link === undefined) {
    const ids = (await ask({ do: "status" })).map(({ id }) => id).join(", ");
    throw new Error(`${name} needs the id of a link; there are: ${ids}`);
  }
  const links = await ask(name === "status" ? { do: name } : { do: name, link: link!, end });
  process.stdout.write(`${json ? JSON.stringify(links, undefined, 2) : linkTable(links).join("\n")}\n`);
}

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`qkd-emulator: ${sentenceOf(error)}\n`);
  process.exitCode = 1;
}
