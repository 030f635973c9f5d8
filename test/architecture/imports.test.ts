/** Who may import whom: this project as it stands, and for each rule a planted violation that it must catch. */
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { floors, wiring } from "./floors.ts";
import { checkCircles, checkFloors, checkOrphans, checkPackages, isWired } from "./import-rules.ts";
import { readPresentTree } from "./present-tree.ts";
import { readSourceFiles } from "./source-file.ts";

const present = readPresentTree("src", "drivers", "test");

/** What a check says of one line in one file. */
function verdict(check: typeof checkFloors, path: string, text: string): string {
  return check(readSourceFiles({ [path]: text })).join("\n");
}

describe("the house as it stands", () => {
  it("imports lower floors only", () => assert.deepEqual(checkFloors(present), []));
  it("meets the outside world in its own rooms only", () => assert.deepEqual(checkPackages(present), []));
  it("has no circles", () => {
    assert.deepEqual(checkCircles(present.filter(({ path }) => !path.startsWith("test/"))), []);
  });
  it("holds no file that nothing imports", (t: TestContext) => {
    const orphans = checkOrphans(present);
    if (isWired(present)) assert.deepEqual(orphans, []);
    else for (const line of orphans) t.diagnostic(line);
  });
});

describe("floors", () => {
  const refused: readonly (readonly [string, string, RegExp])[] = [
    [
      "src/store/bad.ts",
      `import { x } from "../relay/key-relay.ts";`,
      /bad\.ts:1 -> src\/relay\/key-relay\.ts: upwards/,
    ],
    ["src/store/bad.ts", `import type { X } from "../relay/key-relay.ts";`, /upwards/],
    ["src/store/bad.ts", `export type { X } from "../relay/key-relay.ts";`, /upwards/],
    ["src/store/bad.ts", `type X = import("../relay/key-relay.ts").X;`, /upwards/],
    ["src/store/bad.ts", `await import("../relay/key-relay.ts");`, /upwards/],
    ["src/link/bad.ts", `import { x } from "../topology/router.ts";`, /sideways/],
    ["src/node/bad.ts", `import { x } from "../io/system-clock.ts";`, /sideways/],
    ["src/io/bad.ts", `import { x } from "../node/ports.ts";`, /real-ports\.ts is where/],
    ["src/io/bad.ts", `import { x } from "../link/qkd-link.ts";`, /io imports \{/],
    ["src/emulator/bad.ts", `import { x } from "../demo/demo.ts";`, /upwards/],
    ["src/daemon/bad.ts", `import { x } from "../../drivers/acme-q7/frame.ts";`, /driver loader/],
    ["src/emulator/bad.ts", `import { x } from "../../drivers/acme-q7/frame.ts";`, /driver loader/],
    ["src/relay/bad.ts", `import { x } from "../../test/fakes/virtual-clock.ts";`, /only tests or builds/],
    ["src/relay/bad.ts", `import x from "../../package.json" with { type: "json" };`, /only tests or builds/],
    ["src/daemon/bad.ts", `import { x } from "../../bench/scenario.ts";`, /only tests or builds/],
    ["src/attic/bad.ts", ``, /no floor/],
    ["src/bad.ts", ``, /no floor/],
    ["drivers/bad.ts", ``, /no floor/],
    ["drivers/acme-q7/index.ts", `import { x } from "../other-q8/frame.ts";`, /a driver imports/],
    ["drivers/acme-q7/index.ts", `import { x } from "../../src/store/key-store.ts";`, /a driver imports/],
  ];
  for (const [path, text, message] of refused) {
    it(`refuse ${path}: ${text || "its place"}`, () => assert.match(verdict(checkFloors, path, text), message));
  }

  const allowed: readonly (readonly [string, string])[] = [
    ["src/store/good.ts", `import { x } from "../model/ids.ts"; import { y } from "./pool-ledger.ts";`],
    [
      "src/api/etsi014/good.ts",
      `import { x } from "../api-request.ts"; import { y } from "../../supply/key-supply.ts";`,
    ],
    ["src/io/good.ts", `import type { X } from "../peer/peer-service.ts";`],
    [
      "src/daemon/good.ts",
      `import { x } from "../io/system-clock.ts"; import p from "../../package.json" with { type: "json" };`,
    ],
    ["src/emulator/good.ts", `import { x } from "../../drivers/serial-frame/frame.ts";`],
    ["drivers/acme-q7/index.ts", `import { x } from "./frame.ts"; import { y } from "../../src/driver/qkd-driver.ts";`],
  ];
  for (const [path, text] of allowed) {
    it(`allow ${path}: ${text}`, () => assert.equal(verdict(checkFloors, path, text), ""));
  }

  it("name each folder once", () => {
    const rooms = floors.flat();
    assert.equal(new Set(rooms).size, rooms.length);
  });
});

describe("the outside world", () => {
  const refused: readonly (readonly [string, string, RegExp])[] = [
    ["src/link/bad.ts", `import { readFileSync } from "node:fs";`, /bad\.ts:1 -> node:fs: only src\/\{io,/],
    ["src/link/bad.ts", `import type { Socket } from "node:net";`, /node:net/],
    ["src/link/bad.ts", `import { z } from "zod";`, /zod/],
    ["src/link/bad.ts", `import type { AbstractLevel } from "abstract-level";`, /abstract-level/],
    ["src/store/bad.ts", `import { AbstractLevel } from "abstract-level";`, /abstract-level/],
    ["src/store/bad.ts", `import { type AbstractLevel } from "abstract-level";`, /abstract-level/],
    ["src/store/bad.ts", `await import(name);`, /\(computed\)/],
    ["src/relay/bad.ts", `import { randomBytes } from "node:crypto";`, /randomBytes; use Random/],
    ["src/relay/bad.ts", `import { randomUUID as id } from "node:crypto";`, /randomUUID; use Random/],
    ["src/relay/bad.ts", `import { subtle } from "node:crypto";`, /subtle; use the synchronous/],
    ["src/relay/bad.ts", `import { webcrypto } from "node:crypto";`, /webcrypto; use the synchronous/],
    ["src/relay/bad.ts", `import * as c from "node:crypto";`, /by name/],
    ["src/relay/bad.ts", `import c from "node:crypto";`, /by name/],
    ["drivers/acme-q7/bad.ts", `import { SerialPort } from "serialport";`, /serialport/],
  ];
  for (const [path, text, message] of refused) {
    it(`is refused in ${path}: ${text}`, () => assert.match(verdict(checkPackages, path, text), message));
  }

  const allowed: readonly (readonly [string, string])[] = [
    ["src/io/good.ts", `import { readFileSync } from "node:fs"; import { z } from "zod"; await import(name);`],
    ["src/link/good.ts", `import { createHmac, type KeyObject } from "node:crypto";`],
    ["src/link/good.ts", `import type { webcrypto } from "node:crypto";`],
    ["src/store/good.ts", `import type { AbstractLevel } from "abstract-level";`],
    ["test/unit/good.test.ts", `import { it } from "node:test"; import { randomBytes } from "node:crypto";`],
  ];
  for (const [path, text] of allowed) {
    it(`is allowed in ${path}: ${text}`, () => assert.equal(verdict(checkPackages, path, text), ""));
  }
});

describe("circles", () => {
  it("are found, with their path", () => {
    const files = readSourceFiles({
      "src/link/a.ts": `import { b } from "./b.ts";`,
      "src/link/b.ts": `import { c } from "./c.ts";`,
      "src/link/c.ts": `import { a } from "./a.ts";`,
    });
    assert.match(
      checkCircles(files).join(),
      /^src\/link\/a\.ts -> src\/link\/b\.ts -> src\/link\/c\.ts -> src\/link\/a\.ts/,
    );
  });

  it("are found among types, too", () => {
    const files = readSourceFiles({
      "src/link/a.ts": `import type { B } from "./b.ts";`,
      "src/link/b.ts": `import type { A } from "./a.ts";`,
    });
    assert.equal(checkCircles(files).length, 1);
  });

  it("are not seen where two files only share a third", () => {
    const files = readSourceFiles({
      "src/link/a.ts": `import { b } from "./b.ts"; import { c } from "./c.ts";`,
      "src/link/b.ts": `import { c } from "./c.ts";`,
      "src/link/c.ts": ``,
    });
    assert.deepEqual(checkCircles(files), []);
  });
});

describe("files that nothing imports", () => {
  const test = { "test/unit/relay.test.ts": `import { x } from "../../src/relay/forgotten.ts";` };

  it("are found, also behind their own tests", () => {
    const message = checkOrphans(readSourceFiles({ "src/relay/forgotten.ts": "", ...test })).join();
    assert.match(message, /^src\/relay\/forgotten\.ts: nothing but tests imports it/);
  });

  it("may be entry points and drivers", () => {
    const main = {
      "src/daemon/main.ts": `import { x } from "../node/trusted-node.ts";`,
      "src/node/trusted-node.ts": "",
    };
    assert.deepEqual(checkOrphans(readSourceFiles({ ...main, ...test, "drivers/acme-q7/index.ts": "" })), []);
  });

  it("are refused once the house is wired", () => {
    const all = Object.fromEntries(wiring.map((path) => [path, ""]));
    assert.equal(isWired(readSourceFiles(all)), true);
    assert.equal(isWired(readSourceFiles({ "src/daemon/main.ts": "" })), false);
  });
});
