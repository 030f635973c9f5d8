/** The demo at a real terminal: the live picture comes, tells what happens, obeys keys, and gives the screen back. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { MAIN, type DemoJson } from "./demo-process.ts";
import { TerminalProgram } from "./terminal-program.ts";

const QKDCTL = fileURLToPath(new URL("../../src/daemon/qkdctl.ts", import.meta.url));
const SIZE = { columns: 110, rows: 45 };
const TAKES_SCREEN = "\x1b[?1049h";
const GIVES_SCREEN_BACK = "\x1b[?25h\x1b[?1049l";
const GREEN = "\x1b[32m";
const RED = "\x1b[1;31m";

let folder: string;
let demo: TerminalProgram;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "qkdnd-view-"));
  demo = await TerminalProgram.start([MAIN, "demo", "--data-dir", folder, "--base-port", "0"], SIZE, { NO_COLOR: "1" });
});
after(async () => {
  await demo?.close();
  rmSync(folder, { recursive: true, force: true });
});

const json = (): DemoJson => JSON.parse(readFileSync(join(folder, "demo.json"), "utf8")) as DemoJson;

test("it shows map, links, pools and events on a screen of its own", async () => {
  const from = await demo.shows(TAKES_SCREEN);
  assert.match(demo.output.slice(0, from), /\nK=\$\(curl .*\n.*curl .*dec_keys/, "the lines for a key stay behind it");
  await demo.shows("all pools are stocked after", { from });
  for (const part of ["[aachen]", "[essen]", "aachen--bonn", "pools: 20", "64/64", "events"]) {
    assert.ok(demo.output.includes(part, from), `${part} in ${demo.output.slice(from)}`);
  }
});

test("a daemon that dies is told, and that it comes back", async () => {
  const from = demo.output.length;
  process.kill(json().nodes[1]!.pid, "SIGKILL");
  await demo.shows("node bonn ended (SIGKILL); it is started again in 0.5 s", { from });
  await demo.shows("bonn does not answer", { from });
  await demo.shows("bonn answers again", { from });
  await demo.shows("link aachen--bonn is up", { from });
});

test("c shows commands to try, whole, and another key the network again", async () => {
  let from = demo.output.length;
  await demo.press("c");
  from = await demo.shows("Any key goes back", { from });
  assert.match(
    demo.output,
    /\r\ncurl -sS -K \S+ "https:\S+dec_keys\?key_ID=\$\(echo "\$K" \| sed '[^']+'\)"; echo\r\n/,
  );
  await demo.press(" ");
  await demo.shows("[aachen]", { from });
});

test("another size draws another picture", async () => {
  const from = demo.output.length;
  await demo.resize({ columns: 60, rows: 20 });
  await demo.shows("qkdnd demo: ring of 5", { from });
  await demo.resize(SIZE);
});

test("qkdctl top shows the same network, and one node, in colours", async () => {
  for (const [words, part] of [
    [["--demo", join(folder, "demo.json")], "5 nodes"],
    [["--url", json().nodes[0]!.operator], "node aachen"],
  ] as const) {
    const top = await TerminalProgram.start([QKDCTL, "top", ...words], SIZE, { NO_COLOR: "" });
    try {
      const from = await top.shows(TAKES_SCREEN);
      await top.shows(part, { from });
      await top.shows("[bonn]", { from });
      assert.ok(top.output.includes(GREEN));
      await top.press("\x03");
      assert.equal(await top.exitCode, 0);
      assert.ok(top.output.endsWith(GIVES_SCREEN_BACK), JSON.stringify(top.output.slice(-100)));
    } finally {
      await top.close();
    }
  }
});

test("q ends it: the screen is as before, and every process is gone", async () => {
  const from = demo.output.length;
  await demo.press("q");
  assert.equal(await demo.exitCode, 0);
  const back = await demo.shows(GIVES_SCREEN_BACK, { from });
  assert.match(demo.output.slice(back), /All processes have ended/);
  assert.ok(!demo.output.includes(RED), "no colour where NO_COLOR is set");
});
