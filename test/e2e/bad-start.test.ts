/** Starts that must fail: each with an exit code that scripts can act on, a sentence that says what to do, and no loss. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { parse, stringify } from "yaml";
import { EXIT } from "../../src/daemon/exit-codes.ts";
import { DaemonProcess } from "./daemon-process.ts";
import { DAEMON, openNetwork, type Network } from "./network.ts";
import type { NetworkNode } from "./network-node.ts";
import { idsOf } from "./sae-client.ts";

/** A configuration as data, to be changed. */
interface Fields {
  [name: string]: unknown;
  dataDir: string;
  store: { root: { file: string } };
  kx: { listen: string; tls: { key: string; cert: string } };
  etsi014: { listen: string };
  operator: { listen: string };
  supply?: object;
}

const ANY_PORT = "127.0.0.1:0";

describe("a start that must fail", () => {
  let network: Network;
  let north: NetworkNode;
  let starts = 0;

  before(async () => {
    network = await openNetwork();
    north = network.nodes.north;
    await network.filled();
  });
  after(() => network?.close());

  /** Starts a second daemon with north's configuration, changed, from a folder and with ports of its own. */
  async function start(change: (fields: Fields, folder: string) => void) {
    const folder = join(network.folder, `start-${++starts}`);
    mkdirSync(folder, { mode: 0o700 });
    const fields = parse(readFileSync(north.configFile, "utf8")) as Fields;
    Object.assign(fields, { operator: { listen: ANY_PORT } });
    fields.kx.listen = ANY_PORT;
    fields.etsi014.listen = ANY_PORT;
    writeFileSync(join(folder, "root.key"), randomBytes(32), { mode: 0o400 });
    change(fields, folder);
    const file = join(folder, "qkdnd.yaml");
    writeFileSync(file, stringify(fields));
    const daemon = new DaemonProcess({
      name: "refused",
      words: [DAEMON, "run", "--config", file],
      logFile: join(folder, "out.log"),
    });
    daemon.start();
    const { code } = await daemon.ended;
    return { code, file, said: daemon.log, folder };
  }

  /** The line on which a field stands, as an editor counts. */
  const lineOf = (file: string, text: string): number =>
    readFileSync(file, "utf8")
      .split("\n")
      .findIndex((line) => line.includes(text)) + 1;

  const wrongFields: readonly (readonly [
    what: string,
    change: (fields: Fields) => void,
    text: string,
    said: RegExp,
  ])[] = [
    [
      "an unknown field",
      (fields) => Object.assign(fields, { prots: 1 }),
      "prots:",
      /: prots: there is no such field; there are: node, .*etsi014/,
    ],
    [
      "an address that is none",
      (fields) => Object.assign(fields.kx, { listen: "here" }),
      "listen: here",
      /: kx\.listen: "here" is no address with a port; write it like "127\.0\.0\.1:9611"/,
    ],
    [
      "a size out of order",
      (fields) => Object.assign(fields, { supply: { keySizeMinBits: 512 } }),
      "keySizeMinBits: 512",
      /: supply\.keySize\w+: must lie between keySizeMinBits and keySizeMaxBits/,
    ],
    [
      "a strategy that there is not",
      (fields) => Object.assign(fields, { preEstablishment: { strategy: "guess" } }),
      "strategy: guess",
      /: preEstablishment\.strategy: there is no strategy "guess"; there are: .*static-watermark/,
    ],
    ["a type that is wrong", (fields) => Object.assign(fields, { saes: 5 }), "saes: 5", /: saes: .*array/],
  ];
  for (const [what, change, text, sentence] of wrongFields) {
    it(`${what}: exit code ${EXIT.needsAPerson}, with file, line, field and what would be right`, async () => {
      const { code, file, said } = await start(change);
      assert.equal(code, EXIT.needsAPerson, said);
      assert.match(said, sentence);
      if (what !== "a size out of order") assert.ok(said.includes(`${file}:${lineOf(file, text)}:`), said);
      else assert.ok(said.includes(`${file}:`), said);
      assert.doesNotMatch(said, /^\s+at /m, "no stack trace");
    });
  }

  it("a file that is not there, or no YAML", async () => {
    for (const [file, sentence] of [
      [join(network.folder, "nowhere.yaml"), /there is no such file; docs\/qkdnd\.example\.yaml/],
      [network.certificates.peersCa, /:\d+:\d+: this is no YAML|: .*(object|node)/],
    ] as const) {
      const logFile = join(network.folder, `no-config-${starts++}.log`);
      const daemon = new DaemonProcess({ name: "refused", words: [DAEMON, "run", "--config", file], logFile });
      daemon.start();
      assert.equal((await daemon.ended).code, EXIT.needsAPerson, daemon.log);
      assert.match(daemon.log, sentence);
    }
  });

  for (const [door, change] of [
    ["Kx", (fields, ports) => (fields.kx.listen = `127.0.0.1:${ports.kx}`)],
    ["SAE", (fields, ports) => (fields.etsi014.listen = `127.0.0.1:${ports.etsi014}`)],
    ["operator", (fields, ports) => (fields.operator.listen = `127.0.0.1:${ports.operator}`)],
  ] as readonly [string, (fields: Fields, ports: NetworkNode["ports"]) => void][]) {
    it(`the ${door} port in use: exit code ${EXIT.portInUse}, with the port and how to find who has it`, async () => {
      const { code, said } = await start((fields) => change(fields, north.ports));
      assert.equal(code, EXIT.portInUse, said);
      assert.match(said, /127\.0\.0\.1:\d+.* ?.*ss -ltnp/);
      assert.ok(
        Object.values(north.ports).some((port) => said.includes(String(port))),
        said,
      );
    });
  }

  it(`a store that another daemon has open: exit code ${EXIT.storeLocked}, and that daemon goes on`, async () => {
    const { code, said } = await start((fields) => {
      fields.dataDir = join(north.folder, "data");
      fields.store.root.file = join(north.folder, "root.key");
    });
    assert.equal(code, EXIT.storeLocked, said);
    assert.match(said, /is in use by another process: end the other qkdnd, or give this one a data folder of its own/);
    const keys = await network.sae("sae-north").newKeys("sae-south", { number: 3 });
    assert.deepEqual(await network.sae("sae-south").copies("sae-north", idsOf(keys)), keys);
  });

  const badKeys: readonly (readonly [what: string, change: (fields: Fields, folder: string) => void, said: RegExp])[] =
    [
      [
        "a root key that others may read",
        (_, folder) => chmodSync(join(folder, "root.key"), 0o440),
        /store\.root\.file: .*others may read it \(mode 0440\); run: chmod 0400/,
      ],
      [
        "a root key that is too short",
        (fields, folder) => {
          fields.store.root.file = "short.key";
          writeFileSync(join(folder, "short.key"), randomBytes(31), { mode: 0o400 });
        },
        /store\.root\.file: .*neither 32 bytes nor 64 hex digits; for a new node run: /,
      ],
      [
        "a root key that is not there",
        (fields) => (fields.store.root.file = "none.key"),
        /store\.root\.file: .*none\.key.*(no such file|ENOENT)/,
      ],
      [
        "a private key that everybody may read",
        (fields, folder) => {
          const open = join(folder, "open.key");
          writeFileSync(open, readFileSync(fields.kx.tls.key));
          chmodSync(open, 0o644);
          fields.kx.tls.key = open;
        },
        /kx\.tls\.key: .*everybody may read this private key; run: chmod 0400/,
      ],
      [
        "the certificate of another node",
        (fields) => Object.assign(fields.kx.tls, network.certificates.nodes.get("hub" as never)!.peer),
        /kx\.tls\.cert: .*it is the certificate of hub/,
      ],
      [
        "the private key of another certificate",
        (fields) => (fields.kx.tls.key = network.certificates.nodes.get("hub" as never)!.peer.key),
        /kx\.tls\.key: .*is not the private key of the certificate/,
      ],
    ];
  for (const [what, change, sentence] of badKeys) {
    it(`${what}: exit code ${EXIT.needsAPerson}, and what to do`, async () => {
      const { code, said } = await start(change);
      assert.equal(code, EXIT.needsAPerson, said);
      assert.match(said, sentence);
    });
  }

  it("another root key than the store's: refused, nothing is touched, and with the right one all stock is there", async () => {
    await network.filled();
    const keysBefore = (await north.pool("south", "outbound")).keys;
    const held = await network.sae("sae-south").newKeys("sae-north", { number: 5 });
    await north.process.end("SIGTERM");
    const { code, said } = await start((fields) => {
      fields.dataDir = join(north.folder, "data");
    });
    assert.equal(code, EXIT.needsAPerson, said);
    assert.match(said, /root|another key|does not verify/);
    assert.doesNotMatch(said, /^\s+at /m, "no stack trace");
    await north.start();
    // an open segment is lost with its process: one eighth of the pool
    assert.ok((await north.pool("south", "outbound")).keys >= keysBefore - 16);
    const copies = await network.sae("sae-north").copies("sae-south", idsOf(held));
    assert.deepEqual(copies, held);
    await north.assertLedgerAddsUp();
  });
});
