/** The unit's own command line, and what a service manager hears of the daemon that it starts. */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { writeDemoCertificates } from "../../src/demo/demo-certificates.ts";
import { EXIT } from "../../src/daemon/exit-codes.ts";
import { parseNodeId } from "../../src/model/ids.ts";
import { unitCommand } from "../fakes/unit-file.ts";
import { until } from "./daemon-process.ts";
import { freePorts } from "./network-plan.ts";
import { NotifySocket } from "./notify-socket.ts";

const WATCHDOG_MS = 2_000;
const BEAT_MS = WATCHDOG_MS / 4;
let folder: string;
const listeners: NotifySocket[] = [];
const services: Service[] = [];

async function listen(path: string): Promise<NotifySocket> {
  const manager = await NotifySocket.open(path);
  listeners.push(manager);
  return manager;
}

function start(command: readonly string[], environment: Readonly<Record<string, string>>): Service {
  const service = new Service(command, environment);
  services.push(service);
  return service;
}

/** A node without links or SAEs. */
function configFile(name: string, operatorPort: number): string {
  const path = join(folder, `${name}.yaml`);
  const tls = "{ ca: peers-ca.pem, cert: nodes/north/peer.pem, key: nodes/north/peer.key }";
  const lines = [
    "node: north",
    `dataDir: data-${name}`,
    "store: { root: { file: root.key } }",
    `kx: { listen: '127.0.0.1:0', peers: {}, tls: ${tls} }`,
    `operator: { listen: '127.0.0.1:${operatorPort}' }`,
    "links: []",
  ];
  writeFileSync(path, `${lines.join("\n")}\n`);
  return path;
}

class Service {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  out = "";

  constructor(command: readonly string[], environment: Readonly<Record<string, string>>) {
    const [program, ...words] = command;
    const env = { PATH: process.env["PATH"], ...environment };
    this.child = spawn(program!, words, { env, stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      stream.on("data", (bytes: Buffer) => (this.out += bytes.toString("utf8")));
    }
    this.ended = once(this.child, "exit").then(([code]) => code as number | null);
  }

  get childProcesses(): string {
    return readFileSync(`/proc/${this.child.pid}/task/${this.child.pid}/children`, "utf8").trim();
  }

  /** Asks again and again, but not of a daemon that has ended. */
  until(what: string, ask: () => boolean): Promise<boolean> {
    const explain = (): string => this.out;
    const asked = (): boolean => {
      if (this.child.exitCode !== null)
        throw new Error(`ended with ${this.child.exitCode} before: ${what}\n${explain()}`);
      return ask();
    };
    return until(what, asked, { everyMs: 5, explain });
  }

  saysReady(): Promise<boolean> {
    return this.until("the daemon is ready", () => this.out.includes('"event":"ready"'));
  }

  async end(): Promise<number | null> {
    this.child.kill("SIGTERM");
    return this.ended;
  }
}

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "qkdnd-service-"));
  await writeDemoCertificates(folder, { nodes: [parseNodeId("north"), parseNodeId("south")], saes: [] });
  writeFileSync(join(folder, "root.key"), new Uint8Array(32).fill(7), { mode: 0o400 });
});
after(() => {
  for (const { child } of services) child.kill("SIGKILL");
  for (const listener of listeners) listener.close();
  rmSync(folder, { recursive: true, force: true });
});

describe("under a service manager with a watchdog", () => {
  let manager: NotifySocket;
  let service: Service;
  let port: number;
  before(async () => {
    manager = await listen(join(folder, "notify"));
    [port] = (await freePorts(1)) as [number];
    const watchdog = { WATCHDOG_USEC: String(1000 * WATCHDOG_MS) };
    service = start(unitCommand(configFile("watched", port)), { NOTIFY_SOCKET: manager.path, ...watchdog });
  });

  test("READY comes when everything listens, with a sentence, from a process without children", async () => {
    await service.until("READY", () => manager.with("READY=1").length > 0);
    assert.equal((await fetch(`http://127.0.0.1:${port}/readyz`)).status, 200);
    assert.deepEqual(manager.messages[0]?.lines, [
      "READY=1",
      "STATUS=north is ready: 0 of 0 links up, 0 of 0 pools at their low mark or above; no troubles",
    ]);
    assert.equal(service.childProcesses, "");
  });

  test("WATCHDOG comes again and again, STATUS when it changes", async () => {
    await service.until("three beats", () => manager.with("WATCHDOG=1").length >= 3);
    assert.ok(manager.with("STATUS=").length <= 2, "the same sentence is not repeated");
  });

  test("a process that stands still is silent for longer than the watchdog waits, and is heard again after it", async () => {
    service.child.kill("SIGSTOP");
    await sleep(BEAT_MS); // what was under way
    const before = manager.messages.length;
    await sleep(WATCHDOG_MS);
    assert.equal(manager.messages.length, before);
    service.child.kill("SIGCONT");
    await service.until("a beat", () => manager.with("WATCHDOG=1").some(({ at }) => at > performance.now() - 1_000));
  });

  test("SIGTERM: STOPPING with a sentence, then an orderly end", async () => {
    assert.equal(await service.end(), EXIT.ok);
    await until("STOPPING", () => manager.with("STOPPING=1").length > 0);
    assert.ok(manager.messages.at(-1)!.lines.includes("STATUS=ending after SIGTERM"));
  });
});

test("a socket with an abstract name will do, and nobody who watches is no reason to beat", async () => {
  const manager = await listen(`@qkdnd-test-${process.pid}`);
  const service = start(unitCommand(configFile("abstract", 0)), { NOTIFY_SOCKET: manager.path });
  await service.until("READY", () => manager.with("READY=1").length > 0);
  assert.equal(await service.end(), EXIT.ok);
  await until("STOPPING", () => manager.with("STOPPING=1").length > 0);
  assert.equal(manager.with("WATCHDOG=1").length, 0);
});

test("a start that fails is never told as ready", async () => {
  const manager = await listen(join(folder, "notify-failure"));
  const service = start(unitCommand(join(folder, "none.yaml")), { NOTIFY_SOCKET: manager.path });
  assert.equal(await service.ended, EXIT.needsAPerson);
  assert.deepEqual(manager.with("READY=1"), []);
});

test("without a service manager the same command runs the same daemon", async () => {
  const service = start(unitCommand(configFile("alone", 0)), {});
  await service.saysReady();
  assert.equal(await service.end(), EXIT.ok, service.out);
});

test("a unit that starts the daemon without its socket is told what to change", async () => {
  const manager = await listen(join(folder, "notify-direct"));
  const [, , ...direct] = unitCommand(configFile("direct", 0));
  const service = start(direct, { NOTIFY_SOCKET: manager.path });
  await service.saysReady();
  assert.match(service.out, /"event":"the service manager waits for a word that cannot be given"/);
  assert.match(service.out, /scripts\/with-notify-socket/);
  assert.equal(await service.end(), EXIT.ok);
  assert.deepEqual(manager.messages, []);
});
