/** `qkdnd` on the command line: what it refuses, with which words and which exit code. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import { writeDemoCertificates } from "../../src/demo/demo-certificates.ts";
import { openLevelDatabase } from "../../src/io/level-database.ts";
import { parseNodeId } from "../../src/model/ids.ts";
import { openScope } from "../../src/runtime/scope.ts";
import { createRecordingLogger } from "../fakes/recording-logger.ts";

const MAIN = fileURLToPath(new URL("../../src/daemon/main.ts", import.meta.url));
let folder: string;

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function qkdnd(...words: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [MAIN, ...words], { timeout: 30_000 }, (_, out, err) =>
      resolve({ code: child.exitCode ?? -1, out, err }),
    );
  });
}

/** A node without links or SAEs; `changes` replace lines of its file. */
function configFile(name: string, changes: Readonly<Record<string, string>> = {}): string {
  const lines = {
    node: "node: north",
    dataDir: `dataDir: data-${name}`,
    store: "store: { root: { file: root.key } }",
    kx: "kx: { listen: '127.0.0.1:0', peers: {}, tls: { ca: peers-ca.pem, cert: nodes/north/peer.pem, key: nodes/north/peer.key } }",
    operator: "operator: { listen: '127.0.0.1:0' }",
    links: "links: []",
    ...changes,
  };
  const path = join(folder, `${name}.yaml`);
  writeFileSync(path, `${Object.values(lines).join("\n")}\n`);
  return path;
}

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "qkdnd-run-"));
  await writeDemoCertificates(folder, { nodes: [parseNodeId("north"), parseNodeId("south")], saes: [] });
  writeFileSync(join(folder, "root.key"), new Uint8Array(32).fill(7), { mode: 0o400 });
});
after(() => rmSync(folder, { recursive: true, force: true }));

test("the help teaches: commands, examples, exit codes", async () => {
  const { code, out } = await qkdnd("--help");
  assert.equal(code, 0);
  for (const word of ["run", "check-config", "drivers", "demo", "Examples:", "Exit codes:", "78"]) {
    assert.ok(out.includes(word), word);
  }
});

test("a command line that makes no sense ends with 64 and says where to look", async () => {
  for (const words of [["dance"], ["run"], ["demo", "--base-port", "x"], ["demo", "--length-km", "-1"]]) {
    const { code, err } = await qkdnd(...words);
    assert.equal(code, 64, words.join(" "));
    assert.match(err, /--help/);
  }
});

test("the drivers that were found are listed", async () => {
  assert.match((await qkdnd("drivers")).out, /^serial-frame$/m);
});

test("a right file passes check-config, and nothing is made", async () => {
  const { code, out, err } = await qkdnd("check-config", "--config", configFile("right"));
  assert.equal(code, 0, err);
  assert.match(out, /right\.yaml is right: node north/);
});

describe("what cannot be used is refused before anything is opened, with 78, file, line and remedy", () => {
  const tls = (cert: string, key: string, ca = "peers-ca.pem"): string =>
    `kx: { listen: '127.0.0.1:0', peers: {}, tls: { ca: ${ca}, cert: ${cert}, key: ${key} } }`;
  const cases: readonly (readonly [string, Readonly<Record<string, string>>, RegExp])[] = [
    ["a field that there is not", { more: "colour: blue" }, /:7:1: colour: there is no such field; there are: node,/],
    ["no root key", { store: "store: { root: { file: none.key } }" }, /:3:24: store\.root\.file: .*no such file/],
    [
      "a root key of the wrong length",
      { store: "store: { root: { file: short.key } }" },
      /neither 32 bytes nor 64 hex digits; .*urandom/,
    ],
    ["a root key that others may read", { store: "store: { root: { file: open.key } }" }, /mode 0644.*run: chmod 0400/],
    [
      "a credential without systemd",
      { store: "store: { root: { credential: root } }" },
      /\$CREDENTIALS_DIRECTORY is not set/,
    ],
    [
      "another node's certificate",
      { kx: tls("nodes/south/peer.pem", "nodes/south/peer.key") },
      /kx\.tls\.cert: .*it is the certificate of south/,
    ],
    [
      "a key of another certificate",
      { kx: tls("nodes/north/peer.pem", "nodes/south/peer.key") },
      /kx\.tls\.key: .*not the private key of/,
    ],
    ["a certificate that is none", { kx: tls("root.key", "nodes/north/peer.key") }, /kx\.tls\.cert: \S+root\.key: /],
    [
      "an anchor that is not there",
      { kx: tls("nodes/north/peer.pem", "nodes/north/peer.key", "no.pem") },
      /kx\.tls\.ca: \S+no\.pem: there is no such file/,
    ],
  ];
  before(() => {
    writeFileSync(join(folder, "short.key"), "short", { mode: 0o400 });
    writeFileSync(join(folder, "open.key"), new Uint8Array(32));
    chmodSync(join(folder, "open.key"), 0o644);
  });
  for (const [at, [what, changes, message]] of cases.entries()) {
    test(what, async () => {
      const path = configFile(`wrong-${at}`, changes);
      // A credential is systemd's to give: only a start needs it.
      const word = at === 0 || what.includes("credential") ? "run" : "check-config";
      const { code, err } = await qkdnd(word, "--config", path);
      assert.equal(code, 78, err);
      assert.match(err, message);
      assert.ok(err.includes(`${path}:`), err);
      assert.doesNotMatch(err, /\n {4}at /, "a stack helps no operator");
    });
  }
});

test("a store that another process has open is not touched: 75", async () => {
  const path = configFile("locked");
  const scope = openScope("test", createRecordingLogger());
  await openLevelDatabase(join(folder, "data-locked", "records"), scope);
  const { code, err } = await qkdnd("run", "--config", path);
  await scope.close();
  assert.equal(code, 75, err);
  assert.match(err, /is in use by another process/);
});

test("a port in use is named, with a remedy: 69", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  const path = configFile("port", { operator: `operator: { listen: '127.0.0.1:${port}' }` });
  const { code, err } = await qkdnd("run", "--config", path);
  server.close();
  assert.equal(code, 69, err);
  assert.match(err, new RegExp(`127\\.0\\.0\\.1:${port} is in use; find by whom with: ss `));
});

test("another root key than the store's is told, and nothing changes: 78", async () => {
  const path = configFile("root");
  const first = execFile(process.execPath, [MAIN, "run", "--config", path]);
  await new Promise<void>((resolve) =>
    first.stdout!.on("data", (text: string) => text.includes('"ready"') && resolve()),
  );
  first.kill("SIGTERM");
  assert.equal(await new Promise((resolve) => first.once("exit", resolve)), 0);
  writeFileSync(join(folder, "other.key"), new Uint8Array(32).fill(8), { mode: 0o400 });
  const other = configFile("root", { store: "store: { root: { file: other.key } }" });
  const { code, err } = await qkdnd("run", "--config", other);
  assert.equal(code, 78, err);
});
