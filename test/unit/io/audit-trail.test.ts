/** The audit trail on a real disk: what was written stands, and whoever changes it is found out. */
import assert from "node:assert/strict";
import { appendFile, readFile, readdir, rename, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { checkAuditFolder, type AuditReport } from "../../../src/io/audit-check.ts";
import { openAuditFileTrail, type AuditFileTrail } from "../../../src/io/audit-file-trail.ts";
import { createSystemClock } from "../../../src/io/system-clock.ts";
import type { KeyId, SaeId } from "../../../src/model/ids.ts";
import { openScope, type Scope } from "../../../src/runtime/scope.ts";
import { createMemoryMetrics } from "../../fakes/memory-metrics.ts";
import { createTestFolder, type TestFolder } from "../../fakes/real-disk.ts";
import { createRecordingLogger } from "../../fakes/recording-logger.ts";

describe("audit trail", () => {
  let testFolder: TestFolder;
  let folder: string;
  let scope: Scope;

  beforeEach(async () => {
    testFolder = await createTestFolder();
    folder = join(testFolder.path, "audit");
    scope = openScope("test", createRecordingLogger());
  });
  afterEach(async () => {
    await scope.close();
    await testFolder.remove();
  });

  async function open(
    limits: { fileBytesMax?: number; onFailure?: "continue" | "stop-supply" } = {},
  ): Promise<AuditFileTrail> {
    const ports = { clock: createSystemClock(), log: createRecordingLogger(), metrics: createMemoryMetrics() };
    return openAuditFileTrail({ folder, fileBytesMax: 1_000_000, onFailure: "continue", ...limits, ...ports }, scope);
  }

  function supply(trail: AuditFileTrail, number: number): void {
    const ids = [`00000000-0000-8000-8000-${String(number).padStart(12, "0")}` as KeyId];
    const pair = { initiator: "sae-a" as SaeId, target: "sae-b" as SaeId };
    trail.record({ event: "keys-supplied", role: "initiator", ...pair, count: 1, sizeBits: 256, ids });
  }

  /** Lines 1 to `count`, and a last one "stop". */
  async function written(count: number, fileBytesMax = 1_000_000): Promise<void> {
    const trail = await open({ fileBytesMax });
    for (let number = 1; number <= count; number++) {
      supply(trail, number);
      if (fileBytesMax < 1_000_000) await trail.flush();
    }
    await scope.close();
    scope = openScope("test", createRecordingLogger());
  }

  const files = async (): Promise<string[]> => (await readdir(folder)).sort().map((name) => join(folder, name));
  const linesOf = async (path: string): Promise<string[]> => (await readFile(path, "utf8")).split("\n").slice(0, -1);
  const sentences = ({ problems }: AuditReport): string[] =>
    problems.map(({ line, sentence }) => `${line}: ${sentence}`);

  async function changed(change: (lines: string[]) => void): Promise<AuditReport> {
    const [path] = await files();
    const lines = await linesOf(path!);
    change(lines);
    await writeFile(path!, lines.map((line) => `${line}\n`).join(""));
    return checkAuditFolder(folder);
  }

  it("what was recorded is on the disk in order, for its owner alone, and the chain is whole", async () => {
    const trail = await open();
    for (let number = 1; number <= 20; number++) supply(trail, number);
    await trail.flush();
    const [path] = await files();
    assert.deepEqual(
      (await linesOf(path!)).map((line) => (JSON.parse(line) as { ids: string[] }).ids[0]?.slice(-2)),
      Array.from({ length: 20 }, (_, i) => String(i + 1).padStart(2, "0")),
    );
    assert.equal((await stat(path!)).mode & 0o777, 0o600);
    const { problems, last } = await checkAuditFolder(folder);
    assert.deepEqual([problems, last.sequence, last.head], [[], 20, trail.status().head]);
  });

  it("the chain goes on over files and starts", async () => {
    await written(9, 500);
    await written(3);
    assert.ok((await files()).length > 3);
    const { problems, lines, gaps } = await checkAuditFolder(folder);
    assert.deepEqual([problems, lines, gaps], [[], 14, 0]);
  });

  it("a flipped bit, in a field or in the form, is found with its line", async () => {
    await written(9);
    const inField = await changed((lines) => (lines[3] = lines[3]!.replace("sae-a", "sae-c")));
    assert.deepEqual(sentences(inField), [
      "5: altered: line 4 of the chain is not the one that line 5 was written after",
    ]);
    const inForm = await changed((lines) => (lines[3] = lines[3]!.replace("{", "z")));
    assert.deepEqual(sentences(inForm), ["4: altered: it cannot be read any more"]);
  });

  it("a line that was removed is named, also the first of a file", async () => {
    await written(9);
    assert.deepEqual(sentences(await changed((lines) => lines.splice(5, 1))), [
      "9: removed: line 6 of the chain is nowhere",
    ]);
    assert.deepEqual(sentences(await changed((lines) => lines.splice(0, 1))), [
      "8: removed: line 1 of the chain is nowhere",
      "8: removed: line 6 of the chain is nowhere",
    ]);
  });

  it("two lines that changed places are named", async () => {
    await written(9);
    const report = await changed((lines) => ([lines[4], lines[5]] = [lines[5]!, lines[4]!]));
    assert.deepEqual(sentences(report), ["6: moved: line 5 of the chain stands here, after 6"]);
  });

  it("a file that was removed from the middle is found; older files may lie elsewhere", async () => {
    await written(9, 500);
    const [first, second] = await files();
    await rm(first!);
    const archived = await checkAuditFolder(folder);
    assert.deepEqual([archived.problems, archived.first > 1], [[], true]);
    await writeFile(first!, "");
    assert.match(sentences(await checkAuditFolder(folder)).join("\n"), /removed: line 1 of the chain is nowhere/);
    assert.ok(second);
  });

  it("an end that was cut off is found by whoever noted the head", async () => {
    await written(9);
    const { last } = await checkAuditFolder(folder);
    const report = await changed((lines) => lines.splice(-2));
    assert.deepEqual(report.problems, []);
    const noted = await checkAuditFolder(folder, [last]);
    assert.deepEqual(sentences(noted), ["8: removed: the chain ends at 8, and 10 was noted earlier"]);
    const other = await checkAuditFolder(folder, [{ sequence: 3, head: last.head }]);
    assert.match(sentences(other).join("\n"), /line 3 of the chain is not the one whose SHA-256 was noted/);
  });

  it("a torn last line is closed and told by the next start; who alters it afterwards is found", async () => {
    await written(5);
    const [path] = await files();
    await truncate(path!, (await stat(path!)).size - 30);
    assert.deepEqual(
      [(await checkAuditFolder(folder)).problems, (await checkAuditFolder(folder)).endIsTorn],
      [[], true],
    );
    await written(2);
    const report = await checkAuditFolder(folder);
    assert.deepEqual([report.problems, report.gaps, report.endIsTorn], [[], 1, false]);
    const torn = await changed((lines) => (lines[5] = lines[5]!.replace("stop", "skip")));
    assert.deepEqual(sentences(torn), ["7: altered: the torn line before it is another one, or is gone"]);
  });

  it("a last line that lacks only its line break is whole", async () => {
    await written(5);
    const [path] = await files();
    await truncate(path!, (await stat(path!)).size - 1);
    await written(1);
    const { problems, lines } = await checkAuditFolder(folder);
    assert.deepEqual([problems, lines], [[], 8]);
  });

  it("garbage that a crash left in several lines is closed as one", async () => {
    await written(5);
    const [path] = await files();
    await appendFile(path!, '{"sequence":7,"ti\n\0\0\0');
    await written(1);
    assert.deepEqual((await checkAuditFolder(folder)).problems, []);
  });

  for (const onFailure of ["continue", "stop-supply"] as const) {
    it(`where nothing can be written, it waits and says so (${onFailure}); then nothing is missing`, async () => {
      const trail = await open({ fileBytesMax: 1024, onFailure });
      for (let number = 1; number <= 9; number++) supply(trail, number);
      await trail.flush();
      await rename(folder, `${folder}-away`);
      await writeFile(folder, "no folder");
      supply(trail, 10);
      await trail.flush();
      assert.match(trail.status().trouble ?? "", /ENOTDIR/);
      assert.equal(trail.supplyStop() !== undefined, onFailure === "stop-supply");
      await rm(folder);
      await rename(`${folder}-away`, folder);
      supply(trail, 11);
      await trail.flush();
      assert.deepEqual([trail.status().trouble, trail.supplyStop()], [undefined, undefined]);
      const { problems, last } = await checkAuditFolder(folder);
      assert.deepEqual([problems, last.sequence], [[], 11]);
    });
  }
});
