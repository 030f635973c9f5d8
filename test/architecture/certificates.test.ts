/** Peers are who their certificates say, everywhere: in what runs, and in every line that a person is shown. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";

const ROOT = dirname(dirname(import.meta.dirname));
const SHOWN = ["README.md", "bin", "docs", "drivers", "monitoring", "scripts", "src", "systemd"];

const SWITCHES: readonly RegExp[] = [
  /rejectUnauthorized:\s*false/,
  /NODE_TLS_REJECT_UNAUTHORIZED\s*[=:]/,
  /checkServerIdentity:\s*\(\)\s*=>/,
  /\bcurl\b[^\n]*\s(-[A-Za-jl-z]*k\b|--insecure)/,
];

const offSwitchesIn = (text: string): readonly string[] => SWITCHES.flatMap((one) => one.exec(text)?.[0] ?? []);

function filesOf(name: string): readonly string[] {
  const path = join(ROOT, name);
  if (statSync(path).isFile()) return [path];
  const found = readdirSync(path, { recursive: true, encoding: "utf8" }).map((below) => join(path, below));
  return found.filter((one) => statSync(one).isFile());
}

describe("certificates", () => {
  test("nothing here turns the check of a certificate off, and no line for a shell does", () => {
    const paths = SHOWN.flatMap(filesOf);
    assert.ok(paths.length > 100);
    assert.deepEqual(
      paths.flatMap((path) => offSwitchesIn(readFileSync(path, "utf8")).map((found) => `${path}: ${found}`)),
      [],
    );
  });

  for (const line of [
    "curl -sk https://x/",
    "curl --insecure https://x/",
    "tls.connect({ rejectUnauthorized: false })",
    "NODE_TLS_REJECT_UNAUTHORIZED=0 qkdnd",
  ]) {
    test(`such a switch would be found: ${line}`, () => assert.equal(offSwitchesIn(line).length, 1));
  }
});
