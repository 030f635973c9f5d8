import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { runChatteringWorld } from "./chattering-world.ts";

const program = fileURLToPath(new URL("./chattering-world.ts", import.meta.url));

describe("a simulated world", () => {
  it("does the same again with the same seed, in this process and in another", async () => {
    const inOtherProcess = promisify(execFile)(process.execPath, [program, "11"]);
    const first = await runChatteringWorld(11);
    const second = await runChatteringWorld(11);
    assert.ok(first.messages > 2_000, `only ${first.messages} messages`);
    assert.deepEqual(second, first);
    assert.equal((await inOtherProcess).stdout, `${first.hash}\n`);
  });

  it("does the same while another world runs between its instants", async () => {
    const options = { nodes: 3, seconds: 3 };
    const alone = await runChatteringWorld(3, options);
    const [together] = await Promise.all([runChatteringWorld(3, options), runChatteringWorld(4, options)]);
    assert.deepEqual(together, alone);
  });

  it("does something else with another seed", async () => {
    const options = { nodes: 3, seconds: 2 };
    const hashes = await Promise.all([1, 2, 3].map(async (seed) => (await runChatteringWorld(seed, options)).hash));
    assert.equal(new Set(hashes).size, 3);
  });
});
