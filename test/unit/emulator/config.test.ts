/** What the emulator takes as a description of links, and what it says of a wrong one. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseEmulatorConfig } from "../../../src/emulator/config.ts";
import { isQkdError } from "../../../src/model/errors.ts";

const link = { id: "a--b", a: "/run/a", b: "/run/b", lengthKm: 25 };

describe("the description of links", () => {
  it("needs names, two paths and a length", () => {
    const { links, control } = parseEmulatorConfig({ links: [link] });
    const { rateBps, qber, ...others } = links[0]!;
    assert.ok(Math.abs(rateBps - 3.7e6) < 1e5 && Math.abs(qber! - 0.0324) < 1e-3);
    assert.deepEqual(others, {
      id: "a--b",
      a: "/run/a",
      b: "/run/b",
      blockBytes: 32_768,
      keptBytesMax: 4_194_304,
      seed: undefined,
    });
    assert.equal(control, undefined);
  });

  it("takes a rate instead, and makes several blocks of a second of it", () => {
    const { rateBps, qber, blockBytes } = parseEmulatorConfig({ links: [{ ...link, rateBps: 50_000 }] }).links[0]!;
    assert.deepEqual([rateBps, blockBytes], [50_000, 1024]);
    assert.ok(qber !== undefined, "the length still tells the QBER");
    const { lengthKm: _, ...withoutLength } = link;
    assert.equal(parseEmulatorConfig({ links: [{ ...withoutLength, rateBps: 1 }] }).links[0]!.qber, undefined);
  });

  it("takes a profile for both, or with another length, equipment or rate", () => {
    const { lengthKm: _, ...ends } = link;
    const described = (fields: object) => parseEmulatorConfig({ links: [{ ...ends, ...fields }] }).links[0]!;
    assert.equal(described({ profile: "regional" }).rateBps, described({ lengthKm: 50 }).rateBps);
    assert.equal(described({ profile: "regional", lengthKm: 25 }).rateBps, described({ lengthKm: 25 }).rateBps);
    const access = described({ lengthKm: 10, equipment: "gys-10mhz" });
    assert.deepEqual(described({ profile: "access" }), access);
    assert.deepEqual(described({ profile: "access", rateBps: 9000 }), {
      ...access,
      rateBps: 9000,
      blockBytes: 256,
    });
  });

  it("makes paths absolute", () => {
    const { a } = parseEmulatorConfig({ links: [{ ...link, a: "modules/a" }] }).links[0]!;
    assert.equal(a, `${process.cwd()}/modules/a`);
  });

  const wrong: readonly (readonly [field: string, description: unknown])[] = [
    ["links", {}],
    ["links", { links: [] }],
    ["links.0.id", { links: [{ ...link, id: "" }] }],
    ["links.0.id", { links: [{ ...link, id: "a b" }] }],
    ["links.0.b", { links: [{ id: "x", a: "/run/a", lengthKm: 1 }] }],
    ["links.0.lengthKm", { links: [{ id: "x", a: "/run/a", b: "/run/b" }] }],
    ["links.0.lengthKm", { links: [{ ...link, lengthKm: -1 }] }],
    ["links.0.rateBps", { links: [{ ...link, rateBps: 0 }] }],
    ["links.0.profile", { links: [{ ...link, profile: "magic" }] }],
    ["links.0.equipment", { links: [{ ...link, equipment: "magic" }] }],
    ["links.0.blockBytes", { links: [{ ...link, blockBytes: 65_537 }] }],
    ["links.0.keptBytes", { links: [{ ...link, keptBytes: 1 }] }],
    ["links.0", { links: [{ ...link, colour: "blue" }] }],
    ["", { links: [link], colour: "blue" }],
    ["links", { links: [link, { ...link, a: "/run/c", b: "/run/d" }] }],
    ["links", { links: [link, { ...link, id: "other" }] }],
    ["", undefined],
  ];
  for (const [field, description] of wrong) {
    it(`is refused, naming ${field || "the file"}: ${JSON.stringify(description)}`, () => {
      assert.throws(
        () => parseEmulatorConfig(description),
        (error) => isQkdError(error, "CONFIG_INVALID") && error.facts.field === field,
      );
    });
  }
});
