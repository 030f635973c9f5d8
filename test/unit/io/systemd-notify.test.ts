import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { findSystemdNotify } from "../../../src/io/systemd-notify.ts";
import { createRecordingLogger } from "../../fakes/recording-logger.ts";

describe("the service manager's socket", () => {
  it("is no descriptor where the variable is empty or no number: standard input is nobody's socket", () => {
    for (const named of ["", " ", "-1", "0x1", "1.5", undefined]) {
      const environment = { QKDND_NOTIFY_FD: named };
      assert.equal(findSystemdNotify(environment, createRecordingLogger()), undefined, `"${named}"`);
    }
  });
});
