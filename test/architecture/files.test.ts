/** Names, lengths, re-exports and citations: this project as it stands, and a planted violation for each rule. */
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import {
  checkFileNames,
  checkLengths,
  checkReExports,
  checkWords,
  reportCitations,
  reportLengths,
} from "./file-rules.ts";
import { bannedWords, linesMax, linesWanted } from "./floors.ts";
import { readPresentTree } from "./present-tree.ts";
import { type SourceFile, readSourceFiles } from "./source-file.ts";

const present = readPresentTree("src", "drivers", "test", "bench");

function verdict(check: (files: readonly SourceFile[]) => readonly string[], path: string, text: string): string {
  return check(readSourceFiles({ [path]: text })).join("\n");
}

describe("the house as it stands", () => {
  it("says what its files and exports are", () => assert.deepEqual(checkWords(present), []));
  it("has file names in kebab-case", () => assert.deepEqual(checkFileNames(present), []));
  it("imports from the file that defines", () => assert.deepEqual(checkReExports(present), []));
  it("has short rooms", (t: TestContext) => {
    for (const line of reportLengths(present)) t.diagnostic(line);
    assert.deepEqual(checkLengths(present), []);
  });
  it("cites with version and clause (reported only)", (t: TestContext) => {
    for (const line of reportCitations(present)) t.diagnostic(line);
  });
});

describe("words", () => {
  for (const word of Object.keys(bannedWords)) {
    const inCamelCase = `create${word[0]?.toUpperCase()}${word.slice(1)}Part`;
    it(`refuse ${word} in a path and in an export`, () => {
      assert.match(verdict(checkWords, `src/link/${word}.ts`, ""), new RegExp(`"${word}" says nothing; say `));
      assert.match(verdict(checkWords, `src/${word}s/link.ts`, ""), new RegExp(`"${word}s" says nothing`));
      assert.match(verdict(checkWords, `src/link/key-${word}.ts`, ""), /says nothing/);
      assert.match(verdict(checkWords, "src/link/bad.ts", `export function ${inCamelCase}() {}`), /bad\.ts:1: create/);
    });
  }

  const refused: readonly (readonly [string, RegExp])[] = [
    ["export class KeyManager {}", /KeyManager: "manager"/],
    ["export interface NodeInfo {}", /NodeInfo: "info"/],
    ["export type RelayUtils = string;", /RelayUtils: "utils"/],
    ["export const CORE_LIMIT = 1;", /CORE_LIMIT: "core"/],
    ["export const { tmpName } = x;", /tmpName: "tmp"/],
    ["const a = 1;\nexport { a as relayHelper };", /bad\.ts:2: relayHelper/],
    ["export const createHandlers = 1;", /"handlers"/],
    ["export interface IClock {}", /no I in front/],
    ["export const _secret = 1;", /no underscore/],
  ];
  for (const [text, message] of refused) {
    it(`refuse ${text.replace("\n", " ")}`, () => assert.match(verdict(checkWords, "src/link/bad.ts", text), message));
  }

  it("leave other words alone", () => {
    const text =
      "export const IV_BYTES = 12; export const encodeBase64 = 1; export const template = 2; export type IdTag = 3;";
    assert.equal(verdict(checkWords, "src/link/good.ts", text), "");
    assert.equal(verdict(checkWords, "src/link/good.ts", "const tmp = 1; function helper() {}"), "");
    assert.equal(verdict(checkWords, "src/api/etsi014/handlers.ts", "export const createEtsi014Handlers = 1;"), "");
  });
});

describe("files", () => {
  const lines = (count: number) => "const a = 1;\n".repeat(count);

  it("of more lines than the limit are refused, of many are reported", () => {
    assert.match(verdict(checkLengths, "src/link/bad.ts", lines(linesMax + 1)), /401 lines, at most 400/);
    assert.equal(verdict(checkLengths, "src/link/good.ts", lines(linesMax)), "");
    assert.match(verdict(reportLengths, "src/link/long.ts", lines(linesWanted + 1)), /251 lines, 250 wanted/);
    assert.equal(verdict(reportLengths, "src/link/good.ts", lines(linesWanted)), "");
  });

  it("that only pass on are refused", () => {
    assert.match(verdict(checkReExports, "src/link/index.ts", `export * from "./a.ts";`), /only passes on/);
    const renamed = `import { a } from "./a.ts"; export { a };`;
    assert.match(verdict(checkReExports, "src/link/index.ts", renamed), /only passes on/);
    const registry = `import { a } from "./a.ts"; export const strategies = { a };`;
    assert.equal(verdict(checkReExports, "src/pre-establishment/strategies/index.ts", registry), "");
  });

  it("not in kebab-case are refused", () => {
    assert.match(verdict(checkFileNames, "src/link/keySync.ts", ""), /kebab-case/);
    assert.match(verdict(checkFileNames, "src/link/key_sync.ts", ""), /kebab-case/);
    assert.equal(verdict(checkFileNames, "test/unit/link/key-sync.test.ts", ""), "");
  });
});

describe("citations", () => {
  const check = (comment: string) => verdict(reportCitations, "src/api/a.ts", `const a = 1;\n${comment}\nconst b = 2;`);

  it("are reported without version, or without clause", () => {
    assert.match(check("// ETSI GS QKD 014, clause 6.4"), /^src\/api\/a\.ts:2: "ETSI GS QKD 014" without version/);
    assert.match(check("/** See ETSI GS QKD 014 V1.1.1. */"), /without version/);
    assert.equal(check("// ETSI GS QKD 014, and\n// ETSI GS QKD 020 V1.1.1, clause 5").split("\n").length, 1);
  });

  it("may go over the end of a line", () => {
    assert.equal(check("/**\n * @see ETSI GS QKD 014\n *      V1.1.1, clause 5.3 (Get key)\n */"), "");
    assert.equal(check("// ETSI GS QKD 014 V1.1.1,\n// clause 6.4"), "");
  });
});
