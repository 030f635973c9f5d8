/** `qkd-emulator` as a process of its own: its terminals, its faults on request, its end. */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import driver from "../../drivers/serial-frame/index.ts";
import type { DriverHost, QkdKeyBatch, QkdModule } from "../../src/driver/qkd-driver.ts";
import { askControl, type ControlRequest } from "../../src/emulator/control.ts";
import type { EmulatedLinkState } from "../../src/emulator/emulator.ts";
import { openSerialPort } from "../../src/io/serial-port.ts";
import { createSystemClock } from "../../src/io/system-clock.ts";
import { createSystemRandom } from "../../src/io/system-random.ts";
import { isQkdError } from "../../src/model/errors.ts";
import type { QkdKeyId } from "../../src/model/ids.ts";
import { openScope, type Scope } from "../../src/runtime/scope.ts";
import { printsOf } from "../fakes/key-prints.ts";
import { createRecordingLogger } from "../fakes/recording-logger.ts";

const PROGRAM = fileURLToPath(new URL("../../bin/qkd-emulator", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "qkd-emulator-e2e-"));
const log = createRecordingLogger();
const clock = createSystemClock();
const host: DriverHost = { clock, random: createSystemRandom(), log, openSerialPort };
const children = new Set<ChildProcess>();

after(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true });
});

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function start(...args: readonly string[]): { readonly child: ChildProcess; readonly ended: Promise<Ended> } {
  const child = spawn(PROGRAM, args, { stdio: ["ignore", "pipe", "pipe"] });
  children.add(child);
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
  const ended = once(child, "close").then(([code]) => {
    children.delete(child);
    return { code: code as number | null, out, err };
  });
  return { child, ended };
}

const run = (...args: readonly string[]): Promise<Ended> => start(...args).ended;

/** Starts the emulator, and returns when it says that it is ready. */
async function ready(...args: readonly string[]) {
  const started = start(...args);
  const first = await createInterface({ input: started.child.stdout! })[Symbol.asyncIterator]().next();
  if (first.done === true) assert.fail((await started.ended).err);
  const line = JSON.parse(String(first.value)) as { ready: boolean; links: { id: string; a: string; b: string }[] };
  assert.equal(line.ready, true);
  return { ...started, links: line.links };
}

class Host {
  readonly scope: Scope;
  readonly module: QkdModule;
  readonly #batches: AsyncIterator<QkdKeyBatch>;

  constructor(scope: Scope, module: QkdModule, after: QkdKeyId | undefined) {
    this.scope = scope;
    this.module = module;
    assert.equal(module.keySource.kind, "stream");
    if (module.keySource.kind !== "stream") throw new Error("unreachable");
    this.#batches = module.keySource.keys(after, scope.signal)[Symbol.asyncIterator]();
  }

  static async open(path: string, after?: QkdKeyId): Promise<Host> {
    const scope = openScope(path, log);
    return new Host(scope, await driver.open(driver.parseConfig({ path }), host, scope), after);
  }

  /** Id and digest of at least `count` keys. @throws DEVICE_LOST */
  async read(count: number): Promise<Map<QkdKeyId, string>> {
    const prints = new Map<QkdKeyId, string>();
    while (prints.size < count) {
      const { value, done } = await this.#batches.next();
      if (done === true) break;
      for (const { id, digest } of printsOf(value)) prints.set(id, digest);
    }
    return prints;
  }
}

/** Ids that both ends gave, and those of them whose keys differ. */
function compare(one: Map<QkdKeyId, string>, other: Map<QkdKeyId, string>) {
  const common = [...one.keys()].filter((id) => other.has(id));
  return { common, differ: common.filter((id) => one.get(id) !== other.get(id)) };
}

const isLost = (error: unknown): boolean => isQkdError(error, "DEVICE_LOST");

let links = 0;

/** One lively link in an emulator of its own, with a control socket. */
async function openLink(use: (link: Awaited<ReturnType<typeof lively>>) => Promise<void>): Promise<void> {
  const link = await lively();
  try {
    await use(link);
  } finally {
    await Promise.all(link.hosts.map(({ scope }) => scope.close()));
    link.child.kill("SIGTERM");
    assert.equal((await link.ended).code, 0);
  }
}

async function lively() {
  const name = `link-${++links}`;
  const [a, b, control] = ["a", "b", "control"].map((file) => join(folder, name, file)) as [string, string, string];
  const emulator = await ready(
    "link",
    "--a",
    a,
    "--b",
    b,
    "--rate",
    "2e6",
    "--block-bytes",
    "2000",
    "--control",
    control,
  );
  const hosts: Host[] = [];
  return {
    ...emulator,
    a,
    b,
    control,
    hosts,
    async open(path: string, after?: QkdKeyId): Promise<Host> {
      const opened = await Host.open(path, after);
      hosts.push(opened);
      return opened;
    },
    /** By the socket, without starting a process each time. */
    async ask(request: ControlRequest): Promise<EmulatedLinkState> {
      const reply = await askControl(control, request);
      assert.ok(reply.ok, JSON.stringify(reply));
      return reply.links[0]!;
    },
    /** By the program. */
    async ctl(...args: readonly string[]): Promise<EmulatedLinkState> {
      const { code, out, err } = await run("ctl", "--json", "--control", control, ...args);
      assert.equal(code, 0, err);
      return (JSON.parse(out) as EmulatedLinkState[])[0]!;
    },
  };
}

describe("qkd-emulator", { concurrency: 3 }, () => {
  it("plays the links of a file, tells when they are ready, and takes its terminals away at the end", async () => {
    const path = (name: string): string => join(folder, "file", name);
    const file = join(folder, "links.yaml");
    writeFileSync(
      file,
      `links:
  - { id: x, a: ${path("xa")}, b: ${path("xb")}, rateBps: 1000000, blockBytes: 1000 }
  - { id: y, a: ${path("ya")}, b: ${path("yb")}, lengthKm: 25, seed: s }
`,
    );
    const { child, ended, links } = await ready("run", "--config", file);
    assert.deepEqual(
      links.map(({ id, a, b }) => [id, a, b]),
      [
        ["x", path("xa"), path("xb")],
        ["y", path("ya"), path("yb")],
      ],
    );
    const hosts = await Promise.all(["xa", "xb", "ya", "yb"].map((name) => Host.open(path(name))));
    const [xa, xb, ya, yb] = await Promise.all(hosts.map((each) => each.read(20)));
    for (const [one, other] of [
      [xa!, xb!],
      [ya!, yb!],
    ]) {
      const { common, differ } = compare(one!, other!);
      assert.ok(common.length >= 20 && differ.length === 0);
    }
    assert.equal(compare(xa!, ya!).common.length, 0);
    await Promise.all(hosts.map(({ scope }) => scope.close()));
    child.kill("SIGTERM");
    assert.deepEqual(await ended.then(({ code, err }) => ({ code, err })), { code: 0, err: "" });
    assert.ok(["xa", "xb", "ya", "yb"].every((name) => !existsSync(path(name))));
  });

  it("unplugs an end: its host hangs up; plugged again, the module goes on where the host was", async () => {
    await openLink(async ({ a, b, ctl, open }) => {
      const before = await open(a);
      const first = await before.read(5);
      assert.deepEqual((await ctl("unplug", "link", "a")).plugged, ["b"]);
      assert.deepEqual((await ctl("status")).plugged, ["b"]);
      await assert.rejects(before.read(1000), isLost);
      await assert.rejects(before.scope.closed, isLost);
      assert.equal(existsSync(a), false);
      await assert.rejects(Host.open(a), /no such file; is the module plugged in/);
      assert.deepEqual((await ctl("plug", "link", "a")).plugged, ["a", "b"]);
      const last = [...first.keys()].at(-1)!;
      const again = await (await open(a, last)).read(30);
      const atB = await (await open(b)).read(first.size + again.size);
      assert.deepEqual([...first.keys(), ...again.keys()], [...atB.keys()].slice(0, first.size + again.size));
      assert.deepEqual(compare(new Map([...first, ...again]), atB).differ, []);
    });
  });

  it("puts garbage into the line: the host counts it and loses nothing", async () => {
    await openLink(async ({ a, b, ask, open }) => {
      const [atA, atB] = await Promise.all([open(a), open(b)]);
      await ask({ do: "garbage", link: "link", end: "a" });
      const [one, other] = await Promise.all([atA.read(60), atB.read(60)]);
      assert.deepEqual([...one.keys()].slice(0, 60), [...other.keys()].slice(0, 60));
      assert.deepEqual(compare(one, other).differ, []);
      const { garbageRuns, crcErrors, keysRefused } = atA.module.faults();
      assert.ok(garbageRuns >= 1 && crcErrors >= 1, "between two frames, and amid one");
      assert.equal(keysRefused, 0);
      assert.deepEqual(atB.module.faults(), { garbageRuns: 0, crcErrors: 0, keysRefused: 0 });
    });
  });

  it("flips a bit in one key of one end, which no check of the line can see", async () => {
    await openLink(async ({ a, b, ask, open }) => {
      await ask({ do: "flip", link: "link", end: "b" });
      const [atA, atB] = await Promise.all([open(a), open(b)]);
      const [one, other] = await Promise.all([atA.read(60), atB.read(60)]);
      assert.equal(compare(one, other).differ.length, 1);
      assert.deepEqual(atB.module.faults(), { garbageRuns: 0, crcErrors: 0, keysRefused: 0 });
    });
  });

  it("withholds a key at one end: the other end has it, and nothing else is missing", async () => {
    await openLink(async ({ a, b, ask, open }) => {
      const [atA, atB] = await Promise.all([open(a), open(b)]);
      await ask({ do: "missing", link: "link", end: "b" });
      const [one, other] = await Promise.all([atA.read(60), atB.read(60)]);
      const until = [...other.keys()].at(-1)!;
      const upTo = [...one.keys()].filter((id) => id <= until);
      assert.equal(upTo.filter((id) => !other.has(id)).length, 1);
      assert.deepEqual(compare(one, other).differ, []);
      assert.deepEqual(atB.module.faults(), { garbageRuns: 0, crcErrors: 0, keysRefused: 0 });
    });
  });

  it("slows a link down to a tenth: both modules say so, and it comes back to its rate", async () => {
    await openLink(async ({ a, b, ask, open, ctl }) => {
      const [atA, atB] = await Promise.all([open(a), open(b)]);
      const until = async (rateBps: number): Promise<void> => {
        const deadline = clock.timeout(5000);
        for (const { module } of [atA, atB]) {
          while (module.status().secretKeyRateBps !== rateBps) await clock.sleep(5, deadline);
        }
      };
      await until(2e6);
      assert.deepEqual((await ctl("slow", "link", "a")).slow, ["a"]);
      await until(2e5);
      const [one, other] = await Promise.all([atA.read(20), atB.read(20)]);
      assert.deepEqual(compare(one, other).differ, []);
      assert.deepEqual((await ask({ do: "restore", link: "link" })).slow, []);
      await until(2e6);
    });
  });

  it("shows the state of its links as a table, and takes the names of nodes for ends", async () => {
    const path = (name: string): string => join(folder, "named", name);
    const words = ["--id", "bonn--celle", "--a", path("a"), "--b", path("b"), "--rate", "1e5"];
    const { child, ended } = await ready("link", ...words, "--control", path("control"));
    const ctl = (...args: readonly string[]) => run("ctl", "--control", path("control"), ...args);
    assert.equal((await ctl("unplug", "celle--bonn", "celle")).code, 0);
    assert.match((await ctl("status")).out, /^link +fibre .*\nbonn--celle +generating +100 kb\/s +- +well +unplugged /);
    assert.match((await ctl("cut", "bonn--celle")).out, /bonn--celle +no light from the other end/);
    assert.match(
      (await ctl("slow", "bonn--celle", "essen")).err,
      /"essen" is no end of bonn--celle; it has a, b or bonn, celle/,
    );
    child.kill("SIGTERM");
    assert.equal((await ended).code, 0);
  });

  it("cuts the fibre: no key, no QBER, both ends aligning; and mends it", async () => {
    await openLink(async ({ a, ask, open, control }) => {
      const { module } = await open(a);
      const until = async (state: string): Promise<void> => {
        const deadline = clock.timeout(3000);
        while (module.status().state !== state) await clock.sleep(5, deadline);
      };
      await until("generating");
      await ask({ do: "cut", link: "link" });
      await until("aligning");
      assert.equal(module.status().qber, undefined);
      const { generatedBlocks } = await ask({ do: "status" });
      await clock.sleep(100, new AbortController().signal);
      assert.equal((await ask({ do: "status" })).generatedBlocks, generatedBlocks);
      assert.equal(existsSync(control), true);
      await ask({ do: "restore", link: "link" });
      await until("generating");
      assert.ok((await ask({ do: "status" })).generatedBlocks > generatedBlocks);
    });
  });

  it("stalls a module: its host takes it for lost after five seconds, and finds it again when it is restored", async () => {
    await openLink(async ({ a, ask, open }) => {
      const before = await open(a);
      await before.read(1);
      await ask({ do: "stall", link: "link", end: "a" });
      const stalledAt = clock.monotonic();
      await assert.rejects(before.read(10_000), /silent for 5 s/);
      const silentMs = clock.monotonic() - stalledAt;
      assert.ok(silentMs > 4000 && silentMs < 7500, `${silentMs} ms`);
      await ask({ do: "restore", link: "link", end: "a" });
      assert.ok((await (await open(a)).read(5)).size >= 5);
    });
  });

  it("killed, it leaves its hosts with DEVICE_LOST at once and idle; a new one takes the names over", async () => {
    const path = (name: string): string => join(folder, "killed", name);
    const args = ["link", "--a", path("a"), "--b", path("b"), "--length-km", "25"];
    const { child, ended } = await ready(...args);
    const before = await Host.open(path("a"));
    await before.read(1);
    const reading = assert.rejects(before.read(10_000), isLost);
    const killedAt = clock.monotonic();
    child.kill("SIGKILL");
    await reading;
    assert.ok(clock.monotonic() - killedAt < 1000);
    await ended;
    const stale = readlinkSync(path("a"));
    const again = await ready(...args);
    const one = await Host.open(path("a"), "00".repeat(16) as QkdKeyId);
    assert.ok((await one.read(2)).size >= 2, `${stale} before`);
    await one.scope.close();
    again.child.kill("SIGINT");
    assert.equal((await again.ended).code, 0);
    assert.equal(existsSync(path("a")), false);
  });

  it("says what is wrong with what it was told", async () => {
    const file = join(folder, "wrong.json");
    writeFileSync(file, JSON.stringify({ links: [{ id: "x", a: "/run/a", b: "/run/a", lengthKm: "far" }] }));
    const [help, wrongFile, noFile, noLength, noEmulator] = await Promise.all([
      run("ctl", "--help"),
      run("run", "--config", file),
      run("run", "--config", join(folder, "nothing.yaml")),
      run("link", "--a", join(folder, "no-a"), "--b", join(folder, "no-b")),
      run("ctl", "--control", join(folder, "nobody"), "status"),
    ]);
    assert.equal(help.code, 0);
    assert.match(help.out, /unplug[^]*garbage[^]*flip[^]*restore/);
    for (const [ended, says] of [
      [wrongFile, /links\.0\.lengthKm/],
      [noFile, /nothing\.yaml.*ENOENT/],
      [noLength, /lengthKm or rateBps/],
      [noEmulator, /no emulator at/],
    ] as const) {
      assert.equal(ended.code, 1);
      assert.match(ended.err, says);
      assert.equal(ended.out, "");
    }
  });

  it("refuses what it cannot do, and goes on", async () => {
    await openLink(async ({ control, ask }) => {
      const [unknown, missing, second] = await Promise.all([
        run("ctl", "--control", control, "unplug", "elsewhere"),
        run("ctl", "--control", control, "unplug"),
        run("link", "--a", join(folder, "2a"), "--b", join(folder, "2b"), "--rate", "1000", "--control", control),
      ]);
      assert.match(unknown.err, /there is no link "elsewhere"; there are: link/);
      assert.match(missing.err, /needs the id of a link; there are: link/);
      assert.match(second.err, /another emulator listens/);
      assert.deepEqual([unknown.code, missing.code, second.code], [1, 1, 1]);
      assert.equal(existsSync(join(folder, "2a")), false);
      assert.equal((await ask({ do: "status" })).id, "link");
    });
  });
});
