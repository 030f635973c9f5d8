// All checks of the project, one section after the other, stopping at the first that fails: what `npm test` runs.
//
//   npm test                     everything
//   npm run check                everything but the end-to-end tests, in about a minute
//   npm test -- unit contract    only these sections
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const binFolder = join(root, "node_modules", ".bin");
const node = existsSync(join(binFolder, "node")) ? join(binFolder, "node") : process.execPath;
const cacheFolder = join(root, "node_modules", ".cache");

const MINUTE_MS = 60_000;
const SECTION_MS_MAX = 10 * MINUTE_MS;
const tool = (path, ...args) => [join(root, "node_modules", ...path.split("/")), ...args];

/**
 * A section is a tool, or a folder of test files. `testMsMax` bounds one test; a test that gave up may leave timers and
 * sockets behind, which keep its file running, so the section as a whole is bounded too.
 */
const sections = [
  { name: "format", title: "prettier", command: tool("prettier/bin/prettier.cjs", "--check", "--log-level=warn", ".") },
  { name: "lint", title: "eslint", command: tool("eslint/bin/eslint.js", "--max-warnings=0", ".") },
  {
    name: "types",
    title: "the TypeScript compiler, over src, drivers, test and bench",
    command: tool("typescript/bin/tsc", "--incremental", "--tsBuildInfoFile", join(cacheFolder, "types.tsbuildinfo")),
  },
  { name: "architecture", title: "who may import whom, words, sizes" },
  { name: "unit", title: "one file at a time" },
  { name: "contract", title: "what every implementation of a port promises" },
  { name: "golden", title: "scripts and what they must print" },
  { name: "property", title: "laws, over drawn inputs" },
  { name: "sim", title: "whole networks in virtual time", testMsMax: 10 * MINUTE_MS },
  { name: "e2e", title: "real processes", testMsMax: 10 * MINUTE_MS, isSlow: true },
];

function findTestFiles(folder) {
  const path = join(root, ...folder.split("/"));
  if (!existsSync(path)) return [];
  const found = readdirSync(path, { recursive: true }).map((file) => `${folder}/${file.split(sep).join("/")}`);
  return found.filter((file) => file.endsWith(".test.ts")).sort();
}

/** A test file in no section would never run, and nobody would notice. */
function findStrays() {
  const isHome = (file) => sections.some(({ name, command }) => !command && file.startsWith(`test/${name}/`));
  return ["src", "drivers", "test"].flatMap(findTestFiles).filter((file) => !isHome(file));
}

/** Runs Node.js with our terminal, for a limited time; gives its exit code, or the signal's usual one. */
function runNode(args, msMax = SECTION_MS_MAX) {
  const child = spawn(node, args, { cwd: root, stdio: "inherit" });
  const forward = (signal) => child.kill(signal);
  process.on("SIGTERM", forward);
  const overdue = setTimeout(() => {
    console.error(`not finished after ${msMax / MINUTE_MS} minutes, so interrupted`);
    // The test runner then names the files that it was waiting for, and ends them.
    child.kill("SIGINT");
  }, msMax);
  // A terminal sends SIGINT to the child too; we only must not die before it.
  const stay = () => undefined;
  process.on("SIGINT", stay);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      clearTimeout(overdue);
      process.off("SIGTERM", forward);
      process.off("SIGINT", stay);
      resolve(code ?? (signal === "SIGINT" ? 130 : 143));
    });
  });
}

async function runTool({ command }) {
  mkdirSync(cacheFolder, { recursive: true });
  const exitCode = await runNode(command);
  return { exitCode, passed: exitCode === 0 ? 1 : 0, failed: exitCode === 0 ? 0 : 1, skipped: 0 };
}

async function runTests({ name, testMsMax = 3 * MINUTE_MS, isSlow = false }) {
  const scratch = mkdtempSync(join(tmpdir(), "qkdnd-test-"));
  const countsFile = join(scratch, "counts.json");
  // Real processes share ports and cores: side by side they would only disturb each other's deadlines.
  const concurrency = isSlow ? 1 : Math.max(2, availableParallelism());
  try {
    const exitCode = await runNode(
      [
        "--test",
        `--test-concurrency=${concurrency}`,
        `--test-timeout=${testMsMax}`,
        "--test-reporter=spec",
        "--test-reporter-destination=stdout",
        `--test-reporter=${pathToFileURL(join(root, "scripts", "test-counts.mjs"))}`,
        `--test-reporter-destination=${countsFile}`,
        `test/${name}/**/*.test.ts`,
      ],
      SECTION_MS_MAX + 2 * testMsMax,
    );
    const counts = existsSync(countsFile) ? JSON.parse(readFileSync(countsFile, "utf8") || "{}") : {};
    const { passed = 0, failed = 0, cancelled = 0, skipped = 0, todo = 0 } = counts;
    // A run that broke off before it counted has failed all the same.
    const failedAtLeast = exitCode === 0 ? 0 : 1;
    return { exitCode, passed, failed: Math.max(failed + cancelled, failedAtLeast), skipped: skipped + todo };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function chosenSections(args) {
  const names = args.filter((arg) => !arg.startsWith("-"));
  const unknown = names.filter((name) => !sections.some((section) => section.name === name));
  unknown.push(...args.filter((arg) => arg.startsWith("-") && arg !== "--quick"));
  if (unknown.length > 0) {
    const known = sections.map((section) => section.name).join(", ");
    console.error(`no such section: ${unknown.join(", ")}; there are ${known}, and --quick leaves out e2e`);
    process.exit(2);
  }
  if (names.length > 0) return sections.filter((section) => names.includes(section.name));
  return sections.filter((section) => !(args.includes("--quick") && section.isSlow));
}

const secondsSince = (startedAt) => `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;

async function main() {
  const chosen = chosenSections(process.argv.slice(2));
  const strays = findStrays();
  const startedAt = performance.now();
  const sum = { passed: 0, failed: strays.length, skipped: 0 };
  for (const stray of strays) console.log(`${stray} is in no section, so it would never run; move it to test/unit/`);
  let exitCode = strays.length > 0 ? 1 : 0;
  for (const section of exitCode === 0 ? chosen : []) {
    console.log(
      `\n=== ${section.name}: ${section.title} ${"=".repeat(Math.max(3, 74 - section.name.length - section.title.length))}`,
    );
    if (!section.command && findTestFiles(`test/${section.name}`).length === 0) {
      console.log(`skipped: no test files in test/${section.name}`);
      continue;
    }
    const sectionStartedAt = performance.now();
    const outcome = await (section.command ? runTool(section) : runTests(section));
    for (const count of Object.keys(sum)) sum[count] += outcome[count];
    exitCode = outcome.exitCode;
    console.log(`--- ${section.name} ${exitCode === 0 ? "passed" : "FAILED"} in ${secondsSince(sectionStartedAt)}`);
    if (exitCode !== 0) break;
  }
  const skipped = sum.skipped > 0 ? `, ${sum.skipped} tests skipped or to do` : "";
  console.log(
    `\n${exitCode === 0 ? "all sections passed" : "stopped at a failure"} in ${secondsSince(startedAt)}${skipped}`,
  );
  console.log(`${sum.passed} passed, ${sum.failed} failed`);
  process.exitCode = exitCode;
}

await main();
