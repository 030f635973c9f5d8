/**
 * Runs the Spin models of the link protocol: `node test/model/run-model.ts [--deep] [--trail] [NAME...]`.
 *
 * Exit 0: every rule held in every state, and every variant with a rule taken out broke as foretold. Exit 1: not so.
 * Exit 2: a name that no run has. Exit 3: spin or gcc is missing.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { modelRuns, type ModelRun } from "./runs.ts";

/** A search deeper than this is reported as truncated, never as passed. The deepest seen is below 200. */
const maxDepth = 20_000;
/** A run that needs more is reported as truncated. */
const memoryMiB = 4_000;
const deepMemoryMiB = 6_000;
const compileLimitMs = 60_000;
const runLimitMs = 240_000;
const deepRunLimitMs = 900_000;

interface Outcome {
  readonly states: number;
  readonly seconds: number;
  /** `none`, the name of the broken property, or what went wrong with the run itself. */
  readonly found: string;
}

function installed(program: string, versionFlag: string): boolean {
  return spawnSync(program, [versionFlag], { stdio: "ignore" }).error === undefined;
}

function execute(program: string, args: readonly string[], cwd: string, limitMs: number): string | Error {
  const child = spawnSync(program, args, { cwd, encoding: "utf8", timeout: limitMs, maxBuffer: 1 << 26 });
  if (child.error !== undefined) return new Error(`${program}: ${child.error.message}`);
  if (child.status !== 0) return new Error(`${program}: exit ${String(child.status)}\n${child.stdout}${child.stderr}`);
  return child.stdout;
}

const flags = (run: ModelRun): string[] => run.defines.split(" ").map((define) => `-D${define}`);

/** A search that was cut short proves nothing, whatever its count of errors says. */
function verdict(output: string, run: ModelRun): string {
  const broken = /assertion violated\s+!\((\w+)\)/.exec(output)?.[1];
  if (broken !== undefined) return broken;
  if (!/errors: 0$/m.test(output)) return "error without a name";
  const truncated = /max search depth too small|MEMLIM|out of memory|Search not completed|hash array too small/i;
  if (truncated.test(output) || !output.includes("Full statespace search")) return "truncated";
  return run.breaks === undefined ? "none" : "none, though a rule is missing";
}

function check(run: ModelRun, folder: string, trail: boolean): Outcome {
  const file = `${run.model}.pml`;
  copyFileSync(join(import.meta.dirname, file), join(folder, file));
  const failed = (error: Error): Outcome => ({ states: 0, seconds: 0, found: error.message });

  const generated = execute("spin", [...flags(run), "-a", file], folder, compileLimitMs);
  if (generated instanceof Error) return failed(generated);
  // Breadth first gives the shortest trail, depth first is cheaper.
  const search = trail ? ["-DBFS"] : [];
  const memory = `-DMEMLIM=${run.deep === true ? deepMemoryMiB : memoryMiB}`;
  // A compile at -O2 pays only where there are states enough to visit.
  const speed = run.breaks === undefined ? "-O2" : "-O0";
  const compile = [speed, "-w", "-DSAFETY", "-DCOLLAPSE", memory, ...search, "-o", "pan", "pan.c"];
  const compiled = execute("gcc", compile, folder, compileLimitMs);
  if (compiled instanceof Error) return failed(compiled);

  const limit = run.deep === true ? deepRunLimitMs : runLimitMs;
  const started = performance.now();
  const output = execute("./pan", [`-m${maxDepth}`, "-w23", "-n"], folder, limit);
  const seconds = (performance.now() - started) / 1000;
  if (output instanceof Error) return { ...failed(output), seconds };
  if (trail && existsSync(join(folder, `${file}.trail`))) {
    const story = execute("spin", [...flags(run), "-t", file], folder, compileLimitMs);
    const noise = /^spin: warning.*\n|\nspin: trail ends[^]*/g;
    console.log(story instanceof Error ? story.message : story.replace(noise, ""));
  }
  return { states: Number(/(\d+) states, stored/.exec(output)?.[1] ?? 0), seconds, found: verdict(output, run) };
}

function report(run: ModelRun, outcome: Outcome): boolean {
  const expected = run.breaks ?? "none";
  const good = outcome.found === expected;
  const columns = [
    good ? "ok  " : "BAD ",
    run.name.padEnd(42),
    String(outcome.states).padStart(9),
    `${outcome.seconds.toFixed(1)} s`.padStart(8),
    `expected ${expected}`.padEnd(42),
    `found ${outcome.found}`,
  ];
  console.log(columns.join(" "));
  return good;
}

function main(): number {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { deep: { type: "boolean", default: false }, trail: { type: "boolean", default: false } },
  });
  const unknown = positionals.filter((name) => !modelRuns.some((run) => run.name === name));
  if (unknown.length > 0) {
    console.error(`no run is called ${unknown.join(", ")}; the names are in test/model/runs.ts`);
    return 2;
  }
  if (!installed("spin", "-V") || !installed("gcc", "--version")) {
    console.error("the model needs spin and gcc: apt-get install spin gcc");
    return 3;
  }
  const named = positionals.length > 0;
  const runs = modelRuns.filter((run) => (named ? positionals.includes(run.name) : values.deep || run.deep !== true));
  let bad = 0;
  const started = performance.now();
  for (const run of runs) {
    const folder = mkdtempSync(join(tmpdir(), "qkdnd-model-"));
    try {
      if (!report(run, check(run, folder, values.trail))) bad += 1;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  const minutes = ((performance.now() - started) / 60_000).toFixed(1);
  console.log(`${runs.length} runs, ${bad} not as expected, ${minutes} min`);
  return bad === 0 ? 0 : 1;
}

process.exitCode = main();
