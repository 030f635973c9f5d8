/** `npm run eval`: how often stock serves at once, and how much of it lies there, by strategy. */
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { sentenceOf } from "../../src/model/errors.ts";
import { thisMachine } from "../../bench/machine.ts";
import { cells, type Cell } from "./cells.ts";
import { intervalOf, type RunFigures } from "./figures.ts";
import { LIVE_ABOUT, runLiveRing } from "./live-ring.ts";
import { simulateRing } from "./ring-simulation.ts";
import { contestants, LIVE_CONTESTANTS, type Contestant } from "./strategies.ts";
import { tableOf, writeIntoDocument, type CellResult } from "./table.ts";

const EXIT = { ok: 0, failed: 1, wrongWords: 2 } as const;

const HELP = `npm run eval -- [options]    strategies of pre-establishment compared: hits, stock, waits

A ring of five nodes, twenty pools, demand drawn from a seed (the pairs' shares follow Zipf's law); the same demand for each
strategy. Fifteen seconds of demand pass before anything is counted.

  --part simulation   whole nodes in virtual time: the same code, a clock, a network and disks that are made up (default)
  --part live         the same ring as real processes: daemons, an emulator of their modules, HTTPS from a process of its own
  --seeds N           simulated runs of each strategy, from seed 1 on (default 5)
  --seconds N         measured in each run (default 30)
  --cells NAME,…      conditions of the simulation: ${cells.map(({ name }) => name).join(", ")}
  --only NAME,…       strategies: ${contestants.map(({ name }) => name).join(", ")}
  --from FILE,…       nothing is run: the tables are those of earlier runs, as --json wrote them
  --json FILE         write every run; - for standard output, instead of the tables
  --write-docs        write the tables into docs/evaluation.md, which says what the columns mean
  --help

The whole simulation takes most of an hour of one core, the live part about ten minutes.

Examples:
  npm run eval -- --cells scarce --seeds 2 --only minimal-buffer,static-64
  npm run eval -- --part live --only minimal-buffer,static-8 --json live.json

Exit code: 0 measured; 1 a run broke off; 2 this command line is wrong.`;

interface Words {
  readonly part: "simulation" | "live";
  readonly seeds: number;
  readonly seconds: number;
  readonly cells: readonly Cell[];
  readonly contestants: readonly Contestant[];
  readonly from: readonly string[];
  readonly json: string | undefined;
  readonly writeDocs: boolean;
}

function readWords(): Words | "help" {
  const { values } = parseArgs({
    options: {
      part: { type: "string", default: "simulation" },
      seeds: { type: "string", default: "5" },
      seconds: { type: "string", default: "30" },
      cells: { type: "string" },
      only: { type: "string" },
      from: { type: "string" },
      json: { type: "string" },
      "write-docs": { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return "help";
  const { part } = values;
  if (part !== "simulation" && part !== "live") throw new Error(`--part: "${part}" is neither simulation nor live`);
  return {
    part,
    seeds: wholeNumber("--seeds", values.seeds, 100),
    seconds: wholeNumber("--seconds", values.seconds, 3_600),
    cells: chosen("--cells", cells, values.cells),
    contestants: chosen("--only", contestants, values.only ?? (part === "live" ? LIVE_CONTESTANTS : undefined)),
    from: values.from?.split(",") ?? [],
    json: values.json,
    writeDocs: values["write-docs"],
  };
}

function wholeNumber(option: string, text: string, max: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= max) return value;
  throw new Error(`${option}: "${text}" is no whole number from 1 to ${max}`);
}

function chosen<Named extends { readonly name: string }>(
  option: string,
  all: readonly Named[],
  names: string | undefined,
): readonly Named[] {
  const wanted = names?.split(",");
  const unknown = wanted?.find((name) => all.every((one) => one.name !== name));
  if (unknown === undefined) return all.filter(({ name }) => wanted?.includes(name) ?? true);
  throw new Error(`${option}: there is no "${unknown}"; there are ${all.map(({ name }) => name).join(", ")}`);
}

const say = (line: string): void => console.error(line);

function sayRun(what: string, { hitRatio, stockKeys, waitMs, requests }: RunFigures): void {
  const hits = `${(100 * hitRatio).toFixed(2)} % of ${requests} served at once`;
  say(`${what}: ${hits}, stock ${stockKeys.toFixed(0)} keys, p99 ${waitMs.p99.toFixed(1)} ms`);
}

async function simulate({ cells: wanted, contestants: who, seeds, seconds }: Words): Promise<CellResult[]> {
  const results: CellResult[] = [];
  for (const cell of wanted) {
    const rows = [];
    for (const contestant of who.filter(({ name }) => cell.contestants?.includes(name) ?? true)) {
      const runs: RunFigures[] = [];
      for (let seed = 1; seed <= seeds; seed++) {
        runs.push(await simulateRing({ seed, contestant, cell, seconds }));
        sayRun(`${cell.name}, ${contestant.name}, seed ${seed}`, runs.at(-1)!);
      }
      say(`${cell.name}, ${contestant.name}: ${(100 * intervalOf(runs.map((run) => run.hitRatio)).mean).toFixed(2)} %`);
      rows.push({ contestant: contestant.name, runs });
    }
    const about = `${cell.law.about}; ${cell.perSecond} requests a second in all; ${cell.about}; ${seeds} seeds of ${seconds} s`;
    results.push({ name: cell.name, about, rows });
  }
  return results;
}

async function live({ contestants: who, seconds }: Words): Promise<CellResult[]> {
  const rows = [];
  for (const contestant of who) {
    const run = await runLiveRing({ contestant, seconds, say });
    sayRun(`live, ${contestant.name}`, run);
    rows.push({ contestant: contestant.name, runs: [run] });
  }
  const { cores, processor, nodeJs } = thisMachine();
  const about = `${LIVE_ABOUT}; one run of ${seconds} s on ${cores} cores (${processor}), Node.js ${nodeJs}, everything on them`;
  return [{ name: "live", about, rows }];
}

async function resultsOf(words: Words): Promise<readonly CellResult[]> {
  const read = (file: string): readonly CellResult[] =>
    (JSON.parse(readFileSync(file, "utf8")) as { results: readonly CellResult[] }).results;
  if (words.from.length > 0) return words.from.flatMap(read);
  return words.part === "live" ? live(words) : simulate(words);
}

async function main(): Promise<number> {
  let words: Words | "help";
  try {
    words = readWords();
  } catch (failure) {
    console.error(`${sentenceOf(failure)}\nnpm run eval -- --help says what there is.`);
    return EXIT.wrongWords;
  }
  if (words === "help") {
    console.log(HELP);
    return EXIT.ok;
  }
  try {
    const results = await resultsOf(words);
    const json = `${JSON.stringify({ part: words.part, seconds: words.seconds, results }, undefined, 2)}\n`;
    const tables = results.map(tableOf).join("\n\n");
    if (words.json === "-") process.stdout.write(json);
    else console.log(tables);
    if (words.json !== undefined && words.json !== "-") writeFileSync(words.json, json);
    if (words.writeDocs) writeIntoDocument(words.part, tables);
    return EXIT.ok;
  } catch (failure) {
    console.error(`broke off: ${sentenceOf(failure)}`);
    return EXIT.failed;
  }
}

process.exitCode = await main();
