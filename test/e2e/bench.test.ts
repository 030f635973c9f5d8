/** `npm run bench` in small: it measures everything that it lists, and leaves nothing behind. How fast is not asked here. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import type { BenchReport } from "../../bench/report.ts";
import { scenarios } from "../../bench/scenarios.ts";

const BENCH = fileURLToPath(new URL("../../bench/main.ts", import.meta.url));
/** A figure of each scenario, as its row begins. */
const ROWS: Readonly<Record<string, RegExp>> = {
  "serial-ingest": /^\| key agreed, the slower end .* Mb\/s .* at least 50 /m,
  "relay-two-hops": /^\| key established, both directions .* Mb\/s .* at least 20 /m,
  "enc-keys": /^\| at 2000\/s: enc, p99 .* ms .* at most 10 /m,
  "enc-dec-pairs": /^\| at 1000\/s: pair, p99 .* ms .* at most 10 /m,
  memory: /^\| memory of a daemon, at most .* MB .* at most 150 /m,
  "one-time-tag": /^\| one-time tag against HMAC-SHA-256 .* times as fast /m,
  "key-health": /^\| one core, for the health of 32-byte keys at 100 Mb\/s /m,
  "key-ids": /^\| ids in one pass against one by one .* times as fast /m,
  "group-commit": /^\| 16 commits together against alone .* times as fast /m,
  "grpc-frames": /^\| gRPC session against TLS alone .* times as fast /m,
};

interface BenchRun {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
  /** A process of its own group still runs. */
  readonly groupLives: boolean;
}

async function runBench(words: readonly string[], temporary: string): Promise<BenchRun> {
  const env = { ...process.env, TMPDIR: temporary };
  const child = spawn(process.execPath, [BENCH, ...words], { env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  const end = (): void => void child.kill("SIGTERM");
  process.on("exit", end);
  let output = "";
  let errors = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  const [code] = (await once(child, "close")) as [number | null];
  process.off("exit", end);
  return { code, output, errors, groupLives: isAlive(-child.pid!) };
}

function isAlive(group: number): boolean {
  try {
    return process.kill(group, 0);
  } catch {
    return false;
  }
}

describe("npm run bench", () => {
  const folder = mkdtempSync(join(tmpdir(), "qkdnd-bench-test-"));
  const json = join(folder, "report.json");
  const temporary = mkdtempSync(join(folder, "temporary-"));
  let run: BenchRun;

  before(async () => {
    run = await runBench(["--runs", "1", "--seconds", "0.2", "--json", json], temporary);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it("ends with 0, whatever the figures", () => assert.equal(run.code, 0, run.errors));

  for (const { name } of scenarios) {
    it(`measures ${name}`, () => {
      const section = run.output.split("\n\n").findIndex((text) => text.startsWith(`${name}: `));
      assert.notEqual(section, -1, run.output);
      assert.match(run.output.split("\n\n")[section + 1]!, ROWS[name]!);
    });
  }

  it("writes each run of each figure, and what machine this is, as JSON", () => {
    const { machine, runs, scenarios: found } = JSON.parse(readFileSync(json, "utf8")) as BenchReport;
    assert.equal(runs, 1);
    assert.ok(machine.cores >= 1);
    assert.equal(machine.nodeJs, process.version);
    assert.deepEqual(
      found.map(({ name }) => name),
      scenarios.map(({ name }) => name),
    );
    for (const { name, surroundings, failure, figures } of found) {
      assert.ok(surroundings.loadAverage >= 0 && surroundings.flushMs.median > 0, name);
      assert.equal(failure, undefined, name);
      for (const { what, values, median, target, met } of figures) {
        assert.ok(values.length === 1 && Number.isFinite(median), `${name}: ${what} is ${median}`);
        assert.equal(typeof met, target === undefined ? "undefined" : "boolean", `${name}: ${what}`);
      }
    }
  });

  it("leaves no process and no file behind", () => {
    assert.equal(run.groupLives, false);
    assert.deepEqual(readdirSync(temporary), []);
  });

  it("tells which scenarios there are when it is asked for another", async () => {
    const { code, errors } = await runBench(["--only", "warp-drive"], temporary);
    assert.equal(code, 2);
    assert.match(errors, /there is no scenario "warp-drive"; there are serial-ingest, /);
  });
});
