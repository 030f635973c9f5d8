/** Time, chance and the machine stay outside: this project as it stands, and a planted violation for each ban. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readPresentTree } from "./present-tree.ts";
import { checkGlobals, checkModuleState } from "./purity-rules.ts";
import { readSourceFiles } from "./source-file.ts";

const present = readPresentTree("src", "drivers");

const verdict = (path: string, text: string) => checkGlobals(readSourceFiles({ [path]: text })).join("\n");

describe("the house as it stands", () => {
  it("takes time, chance and the machine from ports", () => assert.deepEqual(checkGlobals(present), []));
  it("keeps no state in modules", () => assert.deepEqual(checkModuleState(present), []));
});

describe("globals", () => {
  const refused: readonly (readonly [string, RegExp])[] = [
    ["const t = Date.now();", /^src\/store\/bad\.ts:1: Date\.now; use Clock/],
    ["const t = new Date();", /new Date; use Clock/],
    ["const t = new Date(0).toISOString();", /new Date; use Clock/],
    ["const t = Date();", /Date; use Clock/],
    ["const now = Date.now;", /Date\.now; use Clock/],
    ["const x = Math.random();", /Math\.random; use Random/],
    ["setTimeout(f, 1);", /setTimeout; use Clock\.sleep/],
    ["const later = setTimeout;", /setTimeout; use Clock\.sleep/],
    ["const parts = { setTimeout };", /setTimeout; use Clock\.sleep/],
    ["setInterval(f, 1);", /setInterval; use Scope/],
    ["setImmediate(f);", /setImmediate; use Clock/],
    ["queueMicrotask(f);", /queueMicrotask; await/],
    ["const s = AbortSignal.timeout(5);", /AbortSignal\.timeout; use Clock\.timeout/],
    ["const x = process.env.HOME;", /process\.env; take it/],
    ["const t = process.hrtime();", /process\.hrtime; take it/],
    ["const t = performance.now();", /performance\.now; use Clock\.monotonic/],
    ["const x = crypto.getRandomValues(bytes);", /crypto\.getRandomValues; use Random/],
    ["const x = await crypto.subtle.digest(a, b);", /crypto\.subtle; use Random/],
    ["console.log(x);", /console\.log; use Logger/],
    ["await fetch(url);", /fetch; make it a port/],
    ["globalThis.setTimeout(f);", /globalThis\.setTimeout; take it/],
  ];
  for (const [text, message] of refused) {
    it(`are refused: ${text}`, () => assert.match(verdict("src/store/bad.ts", text), message));
  }

  it("are refused in drivers, too, with the line", () => {
    assert.match(verdict("drivers/acme-q7/index.ts", "\n\nDate.now();"), /^drivers\/acme-q7\/index\.ts:3: Date\.now/);
  });

  it("are allowed where the outside world is", () => {
    for (const room of ["io", "daemon", "emulator"]) {
      assert.equal(verdict(`src/${room}/good.ts`, "Date.now(); setTimeout(f); process.env.X;"), "");
    }
  });

  const harmless = [
    "/** Not Date.now(): it jumps. */ const text = 'Math.random() and setTimeout(f)';",
    "clock.setTimeout(f); parts.process.end(); source.fetch(1); x.constructor();",
    "interface Source { fetch(url: string): void; readonly crypto: boolean; seen: Date }",
    "const table = { fetch: 1, process: 2 }; const { fetch: load } = source;",
    "const t = Date.UTC(2026, 0); const s = AbortSignal.any([]); Math.floor(1.5);",
  ];
  for (const text of harmless)
    it(`are not seen in: ${text}`, () => assert.equal(verdict("src/store/good.ts", text), ""));
});

describe("state of a module", () => {
  const check = (text: string) => checkModuleState(readSourceFiles({ "src/link/bad.ts": text })).join();
  it("is refused", () => assert.match(check("export let count = 0;"), /bad\.ts:1: count is state of a module/));
  it("is not seen in constants and functions", () =>
    assert.equal(check("const a = 1; function f() { let b = 1; }"), ""));
});
