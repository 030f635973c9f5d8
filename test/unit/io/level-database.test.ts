import assert from "node:assert/strict";
import { mkdir, readFile, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { type OpenedLevelDatabase, openLevelDatabase } from "../../../src/io/level-database.ts";
import { type ErrorCode, isQkdError } from "../../../src/model/errors.ts";
import { type Scope, openScope } from "../../../src/runtime/scope.ts";
import { type TestFolder, createTestFolder } from "../../fakes/real-disk.ts";
import { createRecordingLogger } from "../../fakes/recording-logger.ts";

const RECORDS = 200;

describe("level database", () => {
  let folder: TestFolder;
  let scope: Scope;
  let path: string;

  beforeEach(async () => {
    folder = await createTestFolder();
    scope = openScope("test", createRecordingLogger());
    path = join(folder.path, "state", "records");
  });
  afterEach(async () => {
    await scope.close();
    await folder.remove();
  });

  const open = (): Promise<OpenedLevelDatabase> => openLevelDatabase(path, scope);
  const failsWith = (code: ErrorCode) => (failure: unknown) =>
    isQkdError(failure, code) && failure.facts["path"] !== undefined && failure.message.includes(folder.path);

  async function writeSome(): Promise<void> {
    const { database } = await open();
    for (let number = 0; number < RECORDS; number++) {
      await database.write([{ kind: "put", name: `r${number}`, value: new Uint8Array(100).fill(number) }]);
    }
    await scope.close();
    scope = openScope("test", createRecordingLogger());
  }

  it("a sound database opens without a warning", async () => {
    await writeSome();
    assert.deepEqual((await open()).warnings, []);
  });

  it("a bit flipped in its log is passed over by LevelDB, and shows in the warnings", async () => {
    await writeSome();
    const log = join(
      path,
      (await readdir(path)).find((name) => /^\d+\.log$/.test(name))!,
    );
    const bytes = await readFile(log);
    bytes[Math.floor(bytes.length / 2)]! ^= 1;
    await writeFile(log, bytes);
    const { warnings } = await open();
    assert.match(warnings.join("\n"), /dropping \d+ bytes.*Corruption|ignoring error/);
  });

  it("in this process it opens once, by whatever name, and the first goes on", async () => {
    const { database } = await open();
    await symlink(path, join(folder.path, "alias"));
    for (const name of [path, join(folder.path, "alias")]) {
      await assert.rejects(openLevelDatabase(name, scope), (failure) => {
        assert.ok(isQkdError(failure, "STORE_LOCKED"));
        assert.ok(failure.message.includes(name) && /in use.*end the other/.test(failure.message));
        return true;
      });
    }
    await database.write([{ kind: "put", name: "a", value: Uint8Array.of(1) }]);
    assert.deepEqual([...(await database.get("a"))!], [1]);
  });

  it("it can be opened again when its scope has closed", async () => {
    for (let times = 0; times < 3; times++) await writeSome();
    assert.equal((await (await open()).database.get("r7"))?.[0], 7);
  });

  it("a folder that cannot be made is named, and nothing stays locked", async () => {
    await writeFile(join(folder.path, "state"), "no folder");
    await assert.rejects(open(), failsWith("STORE_FAILED"));
    path = join(folder.path, "elsewhere");
    await open();
  });

  it("a database that LevelDB cannot open is named with the reason, and nothing stays locked", async () => {
    await mkdir(path, { recursive: true });
    await writeFile(join(path, "CURRENT"), "no manifest's name");
    await assert.rejects(open(), failsWith("STORE_DAMAGED"));
    await writeFile(join(path, "CURRENT"), "MANIFEST-000007\n");
    await assert.rejects(open(), (failure) => isQkdError(failure, "STORE_DAMAGED", "STORE_FAILED"));
  });
});
