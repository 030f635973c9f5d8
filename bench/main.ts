/** `npm run bench`: how fast real daemons are on this machine. */
import { mkdirSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { sentenceOf } from "../src/model/errors.ts";
import { surroundings, thisMachine } from "./machine.ts";
import { allMet, reportOf, tableOf, type BenchReport, type ScenarioReport } from "./report.ts";
import { FigureBook, type BenchOptions, type Scenario } from "./scenario.ts";
import { scenarios } from "./scenarios.ts";

const EXIT = { ok: 0, failed: 1, wrongWords: 2 } as const;

const HELP = `npm run bench -- [options]    how fast real daemons are on this machine

Daemons, the emulator of their modules and the load are processes of their own on free ports of the loopback interface,
with mutual TLS and a store on disk in a temporary folder. Each scenario warms up, then measures several runs; the table
has the median and the spread. All processes share the cores of this machine, so look at the load average beside each
table, and at processor time, which another's work disturbs least. With nothing chosen it takes about six minutes.

  --only NAME[,NAME]  these scenarios
  --runs N            measured runs of each (default 5)
  --seconds N         of each run (default 4)
  --json FILE         write all runs and what machine this is; - for standard output, instead of the table
  --profile FOLDER    let the daemons leave CPU profiles there (open them in Chromium's developer tools); they are slower
  --strict            exit with 1 when a target is not met
  --help

Scenarios:
${scenarios.map(({ name, about }) => `  ${name.padEnd(16)}  ${about}`).join("\n")}

A figure with a target is "met" when its median is. docs/benchmarks.md says what each figure means.

Examples:
  npm run bench -- --only enc-keys,enc-dec-pairs --json supply.json
  npm run bench -- --only serial-ingest --runs 1 --profile profiles

Exit code: 0 measured, also when a target was missed; 1 a scenario broke off, or, with --strict, a target was missed;
2 this command line is wrong.`;

interface Words {
  readonly chosen: readonly Scenario[];
  readonly runs: number;
  readonly seconds: number;
  readonly json: string | undefined;
  readonly profile: string | undefined;
  readonly strict: boolean;
}

/** @throws Error with a sentence about the word that is wrong */
function readWords(): Words | "help" {
  const { values } = parseArgs({
    options: {
      only: { type: "string" },
      runs: { type: "string", default: "5" },
      seconds: { type: "string", default: "4" },
      json: { type: "string" },
      profile: { type: "string" },
      strict: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return "help";
  const names = values.only?.split(",");
  const unknown = names?.find((name) => scenarios.every((scenario) => scenario.name !== name));
  if (unknown !== undefined) {
    throw new Error(
      `--only: there is no scenario "${unknown}"; there are ${scenarios.map(({ name }) => name).join(", ")}`,
    );
  }
  return {
    chosen: scenarios.filter(({ name }) => names?.includes(name) ?? true),
    runs: amount("--runs", values.runs, { min: 1, max: 100, whole: true }),
    seconds: amount("--seconds", values.seconds, { min: 0.1, max: 60, whole: false }),
    json: values.json,
    profile: values.profile === undefined ? undefined : resolve(values.profile),
    strict: values.strict,
  };
}

function amount(
  option: string,
  text: string,
  { min, max, whole }: { min: number; max: number; whole: boolean },
): number {
  const value = Number(text);
  const isFit = text !== "" && value >= min && value <= max && (!whole || Number.isInteger(value));
  if (!isFit) throw new Error(`${option}: "${text}" is no ${whole ? "whole " : ""}number from ${min} to ${max}`);
  return value;
}

async function measureOne(scenario: Scenario, options: Omit<BenchOptions, "say">): Promise<ScenarioReport> {
  const { name, about } = scenario;
  const book = new FigureBook();
  const before = surroundings();
  const say = (line: string): void => console.error(`${name}: ${line}`);
  say(about);
  const found = (): Omit<ScenarioReport, "failure"> => ({
    name,
    about,
    surroundings: before,
    figures: book.figures().map(reportOf),
  });
  try {
    await scenario.measure({ ...options, say }, book);
    return found();
  } catch (failure) {
    say(`broke off: ${sentenceOf(failure)}`);
    return { ...found(), failure: sentenceOf(failure) };
  }
}

async function main(): Promise<number> {
  let words: Words | "help";
  try {
    words = readWords();
  } catch (failure) {
    console.error(`${sentenceOf(failure)}\nnpm run bench -- --help says what there is.`);
    return EXIT.wrongWords;
  }
  if (words === "help") {
    console.log(HELP);
    return EXIT.ok;
  }
  const { chosen, runs, seconds, json, profile, strict } = words;
  if (profile !== undefined) mkdirSync(profile, { recursive: true });
  const begunAt = new Date().toISOString();
  const machine = thisMachine();
  const reports: ScenarioReport[] = [];
  const options = { runs, seconds, ...(profile === undefined ? {} : { profileFolder: profile }) };
  for (const scenario of chosen) reports.push(await measureOne(scenario, options));
  const report: BenchReport = { begunAt, machine, runs, seconds, scenarios: reports };
  const text = `${JSON.stringify(report, undefined, 2)}\n`;
  if (json === "-") process.stdout.write(text);
  else console.log(tableOf(report));
  if (json !== undefined && json !== "-") writeFileSync(json, text);
  const brokeOff = reports.some(({ failure }) => failure !== undefined);
  return brokeOff || (strict && !allMet(report)) ? EXIT.failed : EXIT.ok;
}

process.exitCode = await main();
