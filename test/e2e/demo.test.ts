/** What a newcomer sees: the demo comes up, its lines give one key twice, it ends without a trace, and goes on again. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

import { type DemoJson, DemoProcess, MAIN, isAlive } from "./demo-process.ts";

const run = promisify(execFile);
let scratch: string;
let folder: string;
let demo: DemoProcess | undefined;

before(() => {
  scratch = mkdtempSync(join(tmpdir(), "qkdnd-demo-"));
  folder = join(scratch, "it's a folder");
});
after(async () => {
  await demo?.end("SIGKILL");
  rmSync(scratch, { recursive: true, force: true });
});

async function opened(...words: readonly string[]): Promise<DemoProcess> {
  demo = new DemoProcess(folder, "--base-port", "0", ...words);
  await demo.printed("All pools are stocked");
  return demo;
}

async function assertGone({ nodes, emulator }: DemoJson): Promise<void> {
  for (const { pid } of [...nodes, emulator]) assert.equal(isAlive(pid), false, `process ${pid} is left`);
  for (const { operator } of nodes) await assert.rejects(fetch(operator), "a port is still open");
  assert.deepEqual(readdirSync(join(folder, "lines")), [], "names of terminals are left");
}

test("the demo comes up, and its curl lines print the same key at both ends", async () => {
  const running = await opened();
  const { nodes, saes, links } = running.json();
  assert.deepEqual(
    nodes.map(({ id }) => id),
    ["aachen", "bonn", "celle", "duren", "essen"],
  );
  assert.deepEqual(links, [
    ["aachen", "bonn"],
    ["bonn", "celle"],
    ["celle", "duren"],
    ["duren", "essen"],
    ["aachen", "essen"],
  ]);
  for (const { id } of nodes) assert.ok(saes.some(({ node }) => node === id));
  for (const { metrics } of nodes) assert.match(await (await fetch(metrics)).text(), /^qkdn_link_session_up\{/m);
  for (const { dataDir } of nodes) assert.equal(statSync(dataDir).mode & 0o077, 0, "others may look into the store");

  const lines = running.curlLines();
  assert.equal(lines.split("\n").length, 2, running.output);
  for (const shell of ["sh", "bash"]) {
    const { stdout, stderr } = await run(shell, ["-c", lines], { cwd: "/" });
    const [enc, dec] = stdout.trim().split("\n");
    assert.match(enc ?? "", /^\{"keys":\[\{"key_ID":"[0-9a-f-]{36}","key":"[A-Za-z0-9+/=]{44}"\}\]\}$/, stderr);
    assert.equal(dec, enc);
  }
});

test("a daemon that was killed is started again, and demo.json tells its new number", async () => {
  const running = demo!;
  const killed = running.json().nodes[1]!;
  process.kill(killed.pid, "SIGKILL");
  await running.printed(`node ${killed.id} ended (SIGKILL`);
  for (let waits = 0; running.json().nodes[1]!.pid === killed.pid || !(await isReady(killed.operator)); waits++) {
    assert.ok(waits < 300, "it did not come back");
    await sleep(100);
  }
});

test("a node that was stopped stays down until it is started; a name that is none is refused with those that are", async () => {
  const { nodes } = demo!.json();
  const act = (...words: readonly string[]) =>
    run(process.execPath, [MAIN, "demo", ...words, "--data-dir", folder], { cwd: "/" });
  await act("stop", "celle");
  assert.equal(isAlive(nodes[2]!.pid), false);
  assert.match(demo!.output, /celle was stopped/);
  assert.doesNotMatch(demo!.output, /node celle ended/);
  assert.equal(demo!.json().nodes[2]!.pid, undefined);
  await act("start", "celle");
  assert.ok(await isReady(nodes[2]!.operator), "it is ready when start returns");
  await assert.rejects(act("stop", "venice"), /there is no node "venice"; there are: aachen, bonn, celle/);
});

const isReady = (url: string): Promise<boolean> =>
  fetch(`${url}/readyz`).then(
    ({ ok }) => ok,
    () => false,
  );

test("a second demo in the same folder, and one on a port in use, are refused and disturb nothing", async () => {
  const second = new DemoProcess(folder, "--base-port", "0");
  assert.equal(await second.exitCode, 75);
  assert.match(second.output, /a demo runs in .* already; end it, or choose another folder with --data-dir/);

  const server = createServer().listen(0, "127.0.0.1").unref();
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const third = new DemoProcess(join(scratch, "other"), "--base-port", String(Math.min(port, 65_000)));
  assert.equal(await third.exitCode, 69);
  assert.match(third.output, /^qkdnd: port \d+ is in use.*--base-port N/m);
  server.close();

  assert.ok(await isReady(demo!.json().nodes[0]!.operator));
});

test("SIGTERM ends every process, in order", async () => {
  const json = demo!.json();
  assert.equal(await demo!.end("SIGTERM"), 0, demo!.output);
  await assertGone(json);
});

test("started again in the same folder it goes on with the same stores, and ends with Ctrl-C", async () => {
  const running = await opened("--rate", "400000");
  assert.match(running.output, /25 km \(metro\), 400 kb\/s/);
  const { stdout } = await run("sh", ["-c", running.curlLines()]);
  const [enc, dec] = stdout.trim().split("\n");
  assert.match(enc ?? "", /"key_ID"/);
  assert.equal(dec, enc);
  const json = running.json();
  assert.equal(await running.end("SIGINT"), 0, running.output);
  await assertGone(json);
});

test("its processes end with it when it is killed", async () => {
  const running = await opened();
  const json = running.json();
  await running.end("SIGKILL");
  for (let waits = 0; [...json.nodes, json.emulator].some(({ pid }) => isAlive(pid)); waits++) {
    assert.ok(waits < 100, "processes are left");
    await sleep(100);
  }
  await assertGone(json);
});
