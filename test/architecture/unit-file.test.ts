/** The unit file, by systemd's own judgement, and against the daemon that it starts. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";

import { EXIT } from "../../src/daemon/exit-codes.ts";
import { LAUNCH_ENVIRONMENT, LAUNCH_OPTIONS } from "../../src/io/launch-options.ts";
import { INSTALLED, nodeEnvironment, nodeFlags, REPOSITORY, unitWords } from "../fakes/unit-file.ts";

const SYSTEMD = join(REPOSITORY, "systemd");
const EXPOSURE_MAX_TENTHS = 17;
const missing =
  spawnSync("systemd-analyze", ["--version"]).error === undefined
    ? false
    : "systemd-analyze is not here: apt-get install systemd";

describe("by the judgement of systemd-analyze", { skip: missing }, () => {
  const folder = mkdtempSync(join(tmpdir(), "qkdnd-unit-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const dropIns = readdirSync(join(SYSTEMD, "qkdnd.service.d"));

  for (const [at, chosen] of [[], ...dropIns.map((name) => [name]), dropIns].entries()) {
    test(`the unit ${chosen.length === 0 ? "alone" : `with ${chosen.join(" and ")}`} is right, and exposes little`, () => {
      const here = join(folder, String(at));
      mkdirSync(join(here, "qkdnd.service.d"), { recursive: true });
      copyFileSync(join(SYSTEMD, "qkdnd.service"), join(here, "qkdnd.service"));
      for (const name of chosen) {
        copyFileSync(join(SYSTEMD, "qkdnd.service.d", name), join(here, "qkdnd.service.d", name));
      }
      const unit = join(here, "qkdnd.service");
      // An unknown setting is told, and is no failure to systemd-analyze: so nothing at all may be said.
      const verified = spawnSync("systemd-analyze", ["verify", unit], { encoding: "utf8" });
      assert.equal(verified.stdout + verified.stderr, "");
      assert.equal(verified.status, 0);
      const words = ["security", "--offline=true", `--threshold=${EXPOSURE_MAX_TENTHS}`, unit];
      const judged = spawnSync("systemd-analyze", words, { encoding: "utf8" });
      assert.equal(judged.status, 0, judged.stdout.split("\n").slice(-3).join("\n"));
      assert.match(judged.stdout, /Overall exposure level for qkdnd\.service: [01]\.\d OK/);
    });
  }
});

test("what needs a person does not loop, and what may pass is tried again", () => {
  const stays = unitWords("RestartPreventExitStatus").map(Number);
  assert.deepEqual(stays.sort(), [EXIT.usage, EXIT.needsAPerson, EXIT.zeroized].sort());
  assert.deepEqual(unitWords("Restart"), ["on-failure"]);
});

test("every path of the clone that the unit names is there", () => {
  const named = [...unitWords("ExecStart"), ...unitWords("ExecPaths"), ...unitWords("Documentation")];
  const paths = named.map((word) => word.replace(/^(-|file:\/\/)/, "")).filter((word) => word.startsWith(INSTALLED));
  assert.ok(paths.length >= 5);
  for (const path of paths) assert.ok(existsSync(path.replace(INSTALLED, REPOSITORY)), path);
});

test("the unit and bin/qkdnd start a daemon with the options and the environment that tests and the demo start one with", () => {
  const launched = readFileSync(join(REPOSITORY, "scripts/launch"), "utf8");
  for (const option of LAUNCH_OPTIONS) {
    assert.ok(nodeFlags.includes(option), `systemd/qkdnd.service has no ${option}`);
    assert.ok(launched.includes(` ${option} `), `scripts/launch has no ${option}`);
  }
  for (const [name, value] of Object.entries(LAUNCH_ENVIRONMENT)) {
    assert.equal(nodeEnvironment[name], value);
    assert.ok(launched.includes(`export ${name}="\${${name}:-${value}}"`), `scripts/launch does not set ${name}`);
  }
});

test("Node.js knows the options, and no inspector opens", () => {
  assert.ok(nodeFlags.includes("--disable-sigusr1"));
  const words = [...nodeFlags, "--eval", "if (require('node:inspector').url()) process.exit(1)"];
  const ran = spawnSync(process.execPath, words, { encoding: "utf8" });
  assert.equal(ran.status, 0, ran.stderr);
});
