/** Log lines as programs read them. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";

import { type LogLevel, createJsonLogger } from "../../../src/io/json-logger.ts";
import { KeyMaterial } from "../../../src/model/key-material.ts";

function openLog(level: LogLevel = "debug") {
  const lines: string[] = [];
  const log = createJsonLogger({
    level,
    destination: { write: (line: string) => void lines.push(line) },
    facts: { node: "a" },
  });
  return { log, lines, parsed: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

describe("the JSON log", () => {
  test("a line is level, time, event and the facts as fields, nothing else", () => {
    const { log, parsed } = openLog();
    log.info("link opened", { link: "a--b", attempts: 2, missing: undefined });
    const [line] = parsed();
    const { time, ...rest } = line!;
    assert.deepEqual(rest, { level: "info", node: "a", link: "a--b", attempts: 2, event: "link opened" });
    assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });

  test("a child's facts are on every line of it and of its children", () => {
    const { log, parsed } = openLog();
    log.child({ link: "a--b" }).child({ stage: "link" }).warn("stock low");
    assert.deepEqual(
      { ...parsed()[0], time: 0 },
      { level: "warn", time: 0, node: "a", link: "a--b", stage: "link", event: "stock low" },
    );
  });

  test("facts that are called like a line's own fields get an underscore; an event's percent sign stays", () => {
    const { log, lines, parsed } = openLog();
    log.error("100 %s full", { level: 3, time: 4, event: "x" });
    const [line] = parsed();
    assert.equal(line!["event"], "100 %s full");
    assert.deepEqual([line!["level_"], line!["time_"], line!["event_"]], [3, 4, "x"]);
    assert.equal(lines[0]!.match(/"time":/g)?.length, 1);
  });

  test("lines below the level are not written", () => {
    const { log, parsed } = openLog("warn");
    log.debug("no");
    log.info("no");
    log.warn("yes");
    log.error("yes");
    assert.equal(parsed().length, 2);
  });

  test("key material that strays into a fact is not printed", () => {
    const { log, lines } = openLog();
    log.info("stray", { key: KeyMaterial.copyOf(new Uint8Array(8).fill(0x41)) as never });
    const { time, ...facts } = JSON.parse(lines[0]!) as Record<string, unknown>;
    assert.ok(time !== undefined); // its digits may be anything
    assert.equal(facts["key"], "[key material]");
    assert.doesNotMatch(JSON.stringify(facts), /65|AAAA|4141/);
  });

  test("a line is in its file when the call returns", () => {
    const folder = mkdtempSync(join(tmpdir(), "qkdnd-log-"));
    const path = join(folder, "node.log");
    createJsonLogger({ level: "info", destination: path }).info("last words");
    assert.match(readFileSync(path, "utf8"), /"event":"last words"}\n$/);
    rmSync(folder, { recursive: true });
  });
});
