/** Configuration files: what is wrong is told with file, line, field and remedy; what is right arrives whole. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, test } from "node:test";

import { type DaemonConfig, parseConfig, readConfigFile } from "../../../src/daemon/config-file.ts";
import { DRIVERS_FOLDER } from "../../../src/daemon/run.ts";
import type { DriverCatalog } from "../../../src/driver/driver-catalog.ts";
import { loadDrivers } from "../../../src/io/driver-loader.ts";
import { isQkdError, type QkdError } from "../../../src/model/errors.ts";

const FILE = "/etc/qkdnd/qkdnd.yaml";
const EXAMPLE = join(import.meta.dirname, "..", "..", "..", "docs", "qkdnd.example.yaml");

/** Prose begins with a capital letter, or has no colon after its first word. */
const COMMENTED_FIELD = /^( *)# ((?: {2})*(?:- \{ |[a-z][A-Za-z]*:(?: |$)).*)$/gm;

/** Its lines are numbered in the tests below. */
const GOOD = `node: a
dataDir: data
store: { root: { file: root.key } }
kx:
  listen: 127.0.0.1:9611
  tls: { ca: ca.pem, cert: a.pem, key: a.key }
  peers:
    b: 127.0.0.1:9711
links:
  - neighbour: b
    driver: serial-frame
    module: { path: /dev/ttyACM0 }
saes:
  - { id: sae-a, node: a }
  - { id: sae-b, node: b }
pairs:
  - { between: [sae-a, sae-b] }
supply:
  keyLifetime: 12h
`;

let drivers: DriverCatalog;
before(async () => {
  drivers = await loadDrivers(DRIVERS_FOLDER);
});

const parse = (text: string): DaemonConfig => parseConfig(text, FILE, drivers);

/** The error of GOOD with one thing changed. */
function refusal(from: string | RegExp, to: string): QkdError {
  const text = GOOD.replace(from, to);
  assert.notEqual(text, GOOD, "nothing was changed");
  try {
    parse(text);
  } catch (error) {
    assert.ok(isQkdError(error, "CONFIG_INVALID"), String(error));
    return error;
  }
  throw new assert.AssertionError({ message: `accepted:\n${text}` });
}

test("a file with everything that is needed gives a configuration, with defaults for the rest", () => {
  const config = parse(GOOD);
  assert.equal(config.dataDir, "/etc/qkdnd/data");
  assert.equal(config.nvFile, "/etc/qkdnd/data.nv");
  assert.deepEqual(config.root, { kind: "file", path: "/etc/qkdnd/root.key" });
  assert.deepEqual(config.operator.listen, { host: "127.0.0.1", port: 9614 });
  assert.equal(config.etsi014, undefined);
  assert.deepEqual([...config.kx.peers], [["b", "127.0.0.1:9711"]]);
  assert.equal(config.node.keyLifetimeMs, 12 * 3_600_000);
  assert.equal(config.node.policy.strategy, "minimal-buffer");
  assert.deepEqual(config.node.links[0]?.driverConfig, { path: "/dev/ttyACM0" });
  assert.deepEqual(config.node.pairs, [{ between: ["sae-a", "sae-b"], keyClass: "default" }]);
});

test("a pool's key is split where its policy asks for disjoint routes, and nowhere else", () => {
  const pool = "{ remote: b, disjointPaths: 2, whenTooFewRoutes: refuse }";
  const { node } = parse(`${GOOD}preEstablishment:\n  pools:\n    - ${pool}\n`);
  assert.equal(node.policy.split, undefined);
  assert.deepEqual(node.policies[0]?.split, { disjointPaths: 2, whenTooFewRoutes: "refuse" });
});

test("the example of the documentation is right, and so are the lines that it shows as comments", async () => {
  const text = await readFile(EXAMPLE, "utf8");
  const plain = parse(text);
  const commented = text.replaceAll(COMMENTED_FIELD, "$1$2");
  assert.notEqual(commented, text);
  const whole = parse(commented);
  assert.deepEqual({ ...whole.node, policies: [] }, plain.node, "what is shown as default is the default");
  assert.deepEqual(whole.operator.listen, plain.operator.listen);
  assert.equal(whole.node.policies.length, 2);
});

describe("what is wrong is told by file, line, field and remedy", () => {
  const cases: readonly (readonly [string, string | RegExp, string, RegExp])[] = [
    [
      "a field that there is not",
      "dataDir:",
      "dataDirectory:",
      /^\S+qkdnd.yaml:2:1: dataDirectory: there is no such field; there are: node, spiffeDomain, dataDir/m,
    ],
    ["a field that is missing", "dataDir: data\n", "", /dataDir: is missing; it is a string/],
    ["a wrong type", "dataDir: data", "dataDir: [data]", /^\S+:2:10: dataDir: expected string, received array/],
    [
      "a field of a part that there is not",
      "tls: { ca:",
      "tls: { ca2: x, ca:",
      /:6:10: kx\.tls\.ca2: there is no such field; there are: ca, cert, key/,
    ],
    [
      "a port out of range",
      "127.0.0.1:9611",
      "127.0.0.1:99999",
      /:5:11: kx\.listen: 99999 is no port: it has to be 0 \(any free one\) to 65535/,
    ],
    [
      "an address without a port",
      "127.0.0.1:9611",
      "localhost",
      /:5:11: kx\.listen: "localhost" is no address with a port; write it like/,
    ],
    [
      "a neighbour that listens on port 0",
      "b: 127.0.0.1:9711",
      "b: 127.0.0.1:0",
      /:8:8: kx\.peers\.b: 0 is no port to call/,
    ],
    [
      "a neighbour without an address",
      "    b: 127.0.0.1:9711",
      "    c: 127.0.0.1:9711",
      /kx\.peers: the address of b is missing.*add "b: HOST:PORT"/,
    ],
    ["a node id", "node: a", "node: A_1", /:1:7: node: "A_1" is no node id: 1 to 32 of a-z, 0-9/],
    [
      "an unknown driver",
      "driver: serial-frame",
      "driver: acme",
      /:11:13: links\[0\]\.driver: there is no driver "acme"; there are: .*serial-frame/,
    ],
    ["a field of the driver", "/dev/ttyACM0", "ttyACM0", /:12:21: links\[0\]\.module\.path: path is the absolute path/],
    [
      "an unknown field of the driver",
      "path: /dev",
      "port: 1, path: /dev",
      /links\[0\]\.module\.port: there is no field "port"/,
    ],
    [
      "a link to itself",
      "neighbour: b",
      "neighbour: a",
      /:10:16: links\[0\]\.neighbour: a node is no neighbour of itself/,
    ],
    ["an SAE twice", "id: sae-b", "id: sae-a", /:15:11: saes\[1\]\.id: this SAE is listed twice/],
    [
      "a pair with an unknown SAE",
      "[sae-a, sae-b]",
      "[sae-a, sae-x]",
      /:17:24: pairs\[0\]\.between\[1\]: SAE "sae-x" is not listed/,
    ],
    ["a time without a unit", "12h", "12", /:19:16: supply\.keyLifetime: expected string, received number/],
    [
      "a time with a wrong unit",
      "12h",
      "12y",
      /supply\.keyLifetime: "12y" is no amount with a unit \(ms, s, min, h, d\); write it like "24h"/,
    ],
    ["a time out of range", "12h", "1s", /supply\.keyLifetime: "1s" is out of range/],
    [
      "a root of no kind",
      "{ file: root.key }",
      "{ passphrase: x }",
      /:3:16: store\.root: the root is either \{file: PATH\} or \{credential: NAME\}/,
    ],
    [
      "an unknown strategy",
      "supply:",
      "preEstablishment: { strategy: magic }\nsupply:",
      /:18:31: preEstablishment\.strategy: there is no strategy "magic"; there are: minimal-buffer, on-demand, static-watermark/,
    ],
    ["no YAML", "saes:", "saes: [", /qkdnd\.yaml:1[34]:\d+: this is no YAML: /],
    [
      "a field twice",
      "dataDir: data",
      "dataDir: data\ndataDir: other",
      /:3:1: this is no YAML: Map keys must be unique/,
    ],
  ];
  for (const [what, from, to, message] of cases) {
    test(what, () => {
      const error = refusal(from, to);
      assert.match(error.message, message);
      assert.equal(error.facts["file"], FILE);
      assert.ok(Number(error.facts["line"]) >= 1);
    });
  }
});

test("everything that is wrong is told at once, in the order of the file", () => {
  const text = GOOD.replace("dataDir: data", "dataDir: 7").replace("127.0.0.1:9611", "here").replace("12h", "soon");
  assert.throws(
    () => parse(text),
    ({ message }: Error) => {
      const places = message.split("\n").map((line) => /yaml:(\d+):\d+: ([^:]+):/.exec(line)?.slice(1, 3).join(" "));
      assert.deepEqual(places, ["2 dataDir", "5 kx.listen", "19 supply.keyLifetime"]);
      return true;
    },
  );
});

test("a file that is not there is told by its name, with one to begin with", async () => {
  await assert.rejects(readConfigFile("/nowhere/qkdnd.yaml", drivers), {
    code: "CONFIG_INVALID",
    message: "/nowhere/qkdnd.yaml: there is no such file; docs/qkdnd.example.yaml is one to begin with",
  });
});

test("an empty file tells the first things that are missing", () => {
  assert.throws(() => parse(""), { code: "CONFIG_INVALID", message: /expected object/ });
});
