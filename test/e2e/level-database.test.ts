/** LevelDB under SIGKILL, and the lock that keeps a second process away. */
import assert from "node:assert/strict";
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { afterEach, beforeEach, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { openLevelDatabase } from "../../src/io/level-database.ts";
import { openScope } from "../../src/runtime/scope.ts";
import { type TestFolder, createTestFolder } from "../fakes/real-disk.ts";
import { createRecordingLogger } from "../fakes/recording-logger.ts";

const program = fileURLToPath(new URL("./level-writer.ts", import.meta.url));
const ROUNDS = 6;
const RECORDS_PER_BATCH = 8;
const FIRST_WRITE_MAX_MS = 20_000;

/** A process that writes batches from `firstBatch` on, and what it said to be durable. */
interface Writer {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  readonly exited: Promise<unknown>;
  readonly acknowledged: () => number[];
  readonly complaint: () => string;
}

function startWriter(path: string, firstBatch: number): Writer {
  const args = [program, path, String(firstBatch), String(RECORDS_PER_BATCH)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  let complained = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (complained += text));
  return {
    child,
    exited: once(child, "close"),
    // What comes after the last line end is half a line.
    acknowledged: () => said.split("\n").slice(0, -1).map(Number),
    complaint: () => complained,
  };
}

async function firstWriteOf(writer: Writer): Promise<void> {
  const tooLate = AbortSignal.timeout(FIRST_WRITE_MAX_MS);
  await Promise.race([once(writer.child.stdout, "data", { signal: tooLate }), writer.exited]);
  assert.equal(writer.complaint(), "");
}

const pause = (durationMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, durationMs));

describe("level database in a process of its own", () => {
  let folder: TestFolder;
  let path: string;

  beforeEach(async () => {
    folder = await createTestFolder();
    path = join(folder.path, "records");
  });
  afterEach(() => folder.remove());

  /** The batches that are there; each whole. */
  async function batchesOnDisk(): Promise<Set<number>> {
    const scope = openScope("test", createRecordingLogger());
    try {
      const { database } = await openLevelDatabase(path, scope);
      const found = new Map<number, number>();
      for await (const [name, value] of database.records("")) {
        const [number, batch] = name.split("/").map(Number) as [number, number];
        if (number === 0) continue; // the first records of old batches are deleted
        assert.ok(
          value.every((byte) => byte === batch % 251),
          `record ${name} is damaged`,
        );
        found.set(batch, (found.get(batch) ?? 0) + 1);
      }
      for (const [batch, count] of found) assert.equal(count, RECORDS_PER_BATCH - 1, `batch ${batch} is not whole`);
      return new Set(found.keys());
    } finally {
      await scope.close();
    }
  }

  it("after SIGKILL at any moment every batch that was acknowledged is there, and every batch is whole", async () => {
    const acknowledged: number[] = [];
    let next = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const writer = startWriter(path, next);
      await firstWriteOf(writer);
      await pause(Math.random() * 200);
      writer.child.kill("SIGKILL");
      await writer.exited;
      assert.equal(writer.complaint(), "");
      acknowledged.push(...writer.acknowledged());
      const found = await batchesOnDisk();
      const lost = acknowledged.filter((batch) => !found.has(batch));
      assert.deepEqual(lost, [], `of ${acknowledged.length} acknowledged batches`);
      next = Math.max(-1, ...found) + 1;
    }
    assert.ok(acknowledged.length > ROUNDS, `${acknowledged.length} batches in ${ROUNDS} lives`);
  });

  it("a second process is turned away, also after the first lost LevelDB's own lock", async () => {
    const scope = openScope("test", createRecordingLogger());
    try {
      const { database } = await openLevelDatabase(path, scope);
      await readFile(join(path, "LOCK")); // closing any descriptor of this file takes the lock from the process
      const second = startWriter(path, 0);
      await Promise.race([second.exited, once(second.child.stdout, "data")]);
      second.child.kill("SIGKILL");
      await second.exited;
      assert.deepEqual(second.acknowledged(), []);
      assert.match(second.complaint(), /^STORE_LOCKED: the store .*records is in use by another process/);
      await database.write([{ kind: "put", name: "1/0", value: Uint8Array.of(0) }]);
    } finally {
      await scope.close();
    }
  });
});
