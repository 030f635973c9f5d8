import assert from "node:assert/strict";
import { mkdir, readFile, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { openDiskSlotFile } from "../../../src/io/disk-slot-file.ts";
import { isQkdError } from "../../../src/model/errors.ts";
import { type Scope, openScope } from "../../../src/runtime/scope.ts";
import { type TestFolder, createTestFolder } from "../../fakes/real-disk.ts";
import { createRecordingLogger } from "../../fakes/recording-logger.ts";

describe("slot file on disk", () => {
  let folder: TestFolder;
  let scope: Scope;
  let path: string;

  beforeEach(async () => {
    folder = await createTestFolder();
    scope = openScope("test", createRecordingLogger());
    path = join(folder.path, "state", "key-bag");
  });
  afterEach(async () => {
    await scope.close();
    await folder.remove();
  });

  const failsNaming = (file: string) => (failure: unknown) =>
    isQkdError(failure, "STORE_FAILED") && failure.facts["path"] === file && failure.message.includes(file);
  const modeOf = async (name: string): Promise<number> => (await stat(name)).mode & 0o777;

  it("only its owner may read it, also when it was there before and after it was replaced", async () => {
    await mkdir(join(folder.path, "state"));
    await writeFile(path, "abc", { mode: 0o666 });
    const file = await openDiskSlotFile(path, scope);
    assert.equal(await modeOf(path), 0o600);
    await file.replace(Uint8Array.of(1));
    assert.equal(await modeOf(path), 0o600);
  });

  it("what is overwritten is gone from the file", async () => {
    const file = await openDiskSlotFile(path, scope);
    await file.overwrite([{ offset: 0, bytes: Buffer.from("secret one, secret two") }]);
    await file.overwrite([{ offset: 0, bytes: Buffer.from("------ ---") }]);
    assert.equal(await readFile(path, "utf8"), "------ ---, secret two");
    await file.replace(Buffer.from("new"));
    assert.deepEqual([await readFile(path, "utf8"), await readdir(join(path, ".."))], ["new", ["key-bag"]]);
  });

  it("the rest of a replacement that never came to its end is removed", async () => {
    await (await openDiskSlotFile(path, scope)).replace(Buffer.from("old"));
    await scope.close();
    await writeFile(`${path}.new`, "half of the ne");
    scope = openScope("test", createRecordingLogger());
    const file = await openDiskSlotFile(path, scope);
    assert.equal(Buffer.from(await file.load()).toString(), "old");
    assert.deepEqual(await readdir(join(path, "..")), ["key-bag"]);
  });

  it("after a failed write nothing succeeds any more, and the file is as it was", async () => {
    const file = await openDiskSlotFile(path, scope);
    await file.overwrite([{ offset: 0, bytes: Buffer.from("old") }]);
    await mkdir(`${path}.new`);
    await assert.rejects(file.replace(Buffer.from("new")), failsNaming(path));
    await assert.rejects(file.overwrite([{ offset: 0, bytes: Buffer.from("new") }]), failsNaming(path));
    await assert.rejects(file.load(), failsNaming(path));
    assert.equal(await readFile(path, "utf8"), "old");
  });

  it("a file that cannot be made is named", async () => {
    await writeFile(join(folder.path, "state"), "no folder");
    await assert.rejects(openDiskSlotFile(path, scope), failsNaming(path));
  });
});
