import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseSerialFrameConfig } from "../../../../drivers/serial-frame/config.ts";
import { isQkdError } from "../../../../src/model/errors.ts";

describe("the settings of a serial-frame module", () => {
  it("need a path only", () => {
    assert.deepEqual(parseSerialFrameConfig({ path: "/dev/ttyACM0" }), {
      path: "/dev/ttyACM0",
      baudRate: 115_200,
      windowBytes: 1_048_576,
    });
  });

  const path = "/dev/ttyACM0";
  const wrong: readonly (readonly [field: string, settings: unknown])[] = [
    ["path", {}],
    ["path", { path: 7 }],
    ["path", { path: "ttyACM0" }],
    ["baudRate", { path, baudRate: "9600" }],
    ["baudRate", { path, baudRate: 299 }],
    ["baudRate", { path, baudRate: 9600.5 }],
    ["windowBytes", { path, windowBytes: 65_535 }],
    ["windowBytes", { path, windowBytes: 2 ** 27 }],
    ["parity", { path, parity: "even" }],
  ];
  for (const [field, settings] of wrong) {
    it(`are refused, naming ${field}: ${JSON.stringify(settings)}`, () => {
      assert.throws(
        () => parseSerialFrameConfig(settings),
        (error) => isQkdError(error, "CONFIG_INVALID") && error.facts.field === field,
      );
    });
  }

  it("are refused when they are no fields at all", () => {
    for (const settings of [undefined, null, "path", ["path"]]) {
      assert.throws(
        () => parseSerialFrameConfig(settings),
        (error) => isQkdError(error, "CONFIG_INVALID"),
      );
    }
  });
});
