/** The tour of the README, as it is written there: every command runs in a shell, and shows what the text says. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { NodeStatus } from "../../src/api/operator/node-status.ts";
import { until } from "./daemon-process.ts";
import { DemoProcess } from "./demo-process.ts";
import { freePorts } from "./network-plan.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const README = readFileSync(join(ROOT, "README.md"), "utf8");
/** The demo's ports as they are written there; here it takes others, so that nobody's demo is disturbed. */
const FIRST_PORT_WRITTEN = 9611;
const PORTS = 50;
const OPERATOR_OF_CELLE = 9634;

interface Step {
  /** How the paragraph before the commands begins. */
  readonly title: string;
  readonly commands: string;
}

/** The paragraphs of the tour that end in commands. */
function tour(): readonly Step[] {
  const section = /\n## A tour\n(.*?)\n## /s.exec(README)?.[1] ?? "";
  return [...section.matchAll(/\n\*\*([^*]+)\*\*[^`]*?(?:`[^`\n]+`[^`]*?)*\n```sh\n(.*?)```/gs)].map(
    ([, title, commands]) => ({ title: title!, commands: commands! }),
  );
}

describe("the tour of the README", () => {
  let folder: string;
  let firstPort: number;
  let demo: DemoProcess;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "qkdnd-readme-"));
    symlinkSync(join(ROOT, "bin"), join(folder, "bin"));
    [firstPort] = (await freePorts(1)) as [number];
    demo = new DemoProcess(join(folder, "demo-data"), "--base-port", String(firstPort));
    await demo.printed("All pools are stocked");
  });
  after(async () => {
    await demo?.end();
    rmSync(folder, { recursive: true, force: true });
  });

  /** What the commands print, whatever they return: a status with a trouble in it is no success for a script. */
  function run(title: string): Promise<string> {
    const step = tour().find((each) => each.title.startsWith(title));
    assert.ok(step, `the tour has "${title}"`);
    const commands = step.commands.replaceAll(/(?<=127\.0\.0\.1:)96\d\d/g, (port) => {
      const offset = Number(port) - FIRST_PORT_WRITTEN;
      assert.ok(offset >= 0 && offset < PORTS, `${port} is a port of the demo`);
      return String(firstPort + offset);
    });
    const env = { ...process.env, QKDCTL_URL: `http://127.0.0.1:${firstPort + 3}` };
    return new Promise((resolve) => {
      execFile("sh", ["-c", commands], { cwd: folder, env, timeout: 60_000 }, (_, out, err) => {
        assert.equal(err, "", commands);
        resolve(out);
      });
    });
  }

  test("has no step that is not run here", () => {
    const titles = tour().map(({ title }) => title);
    assert.deepEqual(titles, [
      "A key at aachen, and the same key at celle",
      "A broken fibre.",
      "A node that is gone.",
      "A crash.",
    ]);
    const blocks = /\n## A tour\n(.*?)\n## /s.exec(README)![1]!.match(/```sh/g);
    assert.equal(blocks?.length, titles.length);
  });

  test("gives the same key at both ends", async () => {
    const [enc, dec] = (await run("A key at aachen")).trim().split("\n");
    assert.match(enc ?? "", /^\{"keys":\[\{"key_ID":"[0-9a-f-]{36}","key":"[A-Za-z0-9+/=]{44}"\}\]\}$/);
    assert.equal(dec, enc);
  });

  test("breaks a fibre, which the node tells, and mends it", async () => {
    const shown = await run("A broken fibre");
    assert.match(shown, /aachen--bonn +no light from the other end/, "what was broken");
    assert.match(shown, /bonn +up +aligning/, "as aachen tells it");
    assert.match(shown, /aachen--bonn +generating +3\.70 Mb\/s/, "what was mended");
  });

  test("serves on while the node on the shorter way is stopped, and the map shows the other way", async () => {
    const shown = await run("A node that is gone");
    const [characters = ""] = shown.split("\n");
    assert.ok(Number(characters) > 60 * 90, `sixty keys in ${characters} characters`);
    assert.match(shown, /celle +3 +essen duren celle/);
    assert.match(shown, /bonn +- +NO ROUTE/);
    await demo.printed("bonn answers again");
  });

  test("kills a daemon, which comes back with a ledger that adds up", async () => {
    const shown = await run("A crash");
    assert.match(shown, /^node celle, qkdnd \S+, up \d+ s/m);
    assert.doesNotMatch(shown, /OFF BY/);
    await demo.printed("node celle ended (SIGKILL)");
    const linksOfCelle = async (): Promise<NodeStatus["links"]> => {
      const answer = await fetch(`http://127.0.0.1:${firstPort + OPERATOR_OF_CELLE - FIRST_PORT_WRITTEN}/status`);
      return ((await answer.json()) as NodeStatus).links;
    };
    const areUp = async (): Promise<boolean> =>
      (await linksOfCelle().catch(() => [])).filter(({ session }) => session === "up").length === 2;
    await until("the links are up", areUp, { seconds: 60 });
  });
});
