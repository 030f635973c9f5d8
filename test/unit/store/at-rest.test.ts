/** What copies of a real data folder, taken at every step of a segment's life, still tell: docs/operating.md, "At rest". */
import assert from "node:assert/strict";
import { cp, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { openDiskSlotFile } from "../../../src/io/disk-slot-file.ts";
import { openLevelDatabase } from "../../../src/io/level-database.ts";
import { createSystemClock } from "../../../src/io/system-clock.ts";
import { createSystemRandom } from "../../../src/io/system-random.ts";
import { isQkdError } from "../../../src/model/errors.ts";
import { KeyMaterial } from "../../../src/model/key-material.ts";
import { openScope, type Scope } from "../../../src/runtime/scope.ts";
import { openKeyVault, type KeyVault } from "../../../src/store/key-vault.ts";
import type { SealedChunk } from "../../../src/store/transaction.ts";
import { decodeHeader, SLOT_BYTES, Wrapping } from "../../../src/store/wrapping.ts";
import { createTestFolder, type TestFolder } from "../../fakes/real-disk.ts";
import { createRecordingLogger } from "../../fakes/recording-logger.ts";
import { ROOT } from "./vault-bench.ts";

const STEPS = ["sealed", "opened", "erased", "re-wrapped"] as const;
const MODES = ["nv in the folder", "nv outside", "ephemeral"] as const;
type Mode = (typeof MODES)[number];
const FOREVER = new AbortController().signal;

/** Segments by what happens to them. */
type Segments = Readonly<Record<"opened" | "erased" | "kept", SealedChunk>>;

describe("copies of the data folder", () => {
  let folder: TestFolder;
  let scope: Scope;
  let copies = 0;

  beforeEach(async () => {
    folder = await createTestFolder();
    scope = openScope("test", createRecordingLogger());
  });
  afterEach(async () => {
    await scope.close();
    await folder.remove();
  });

  const openVault = async (data: string, nv: string | undefined): Promise<KeyVault> => {
    const { database } = await openLevelDatabase(join(data, "records"), scope);
    return openKeyVault({
      database,
      keyBagFile: await openDiskSlotFile(join(data, "key-bag"), scope),
      nvFile: nv === undefined ? undefined : await openDiskSlotFile(nv, scope),
      root: KeyMaterial.copyOf(ROOT),
      clock: createSystemClock(),
      random: createSystemRandom(),
      log: createRecordingLogger(),
      metrics: undefined,
      onFailure: (failure) => assert.fail(failure),
    });
  };

  const copyOf = async (path: string): Promise<string> => {
    const copy = join(folder.path, `copy-${copies++}`);
    await cp(path, copy, { recursive: true });
    return copy;
  };

  /** What a daemon reads that is given a copy, with the root and an nv file. */
  const readable = async (data: string, nv: string | undefined, segments: Segments): Promise<string[]> => {
    const found: string[] = [];
    try {
      const vault = await openVault(data, nv);
      for (const [fate, segment] of Object.entries(segments)) {
        const material = await vault.read(segment).catch(() => undefined);
        if (material !== undefined) found.push(fate);
        material?.erase();
      }
    } catch (failure) {
      if (!isQkdError(failure, "STORE_DAMAGED")) throw failure;
    }
    return found;
  };

  /** What somebody unwraps who cares for no epoch: the root, the nv of now, and the key bag of then. */
  const unwrapped = async (data: string, nvFile: string): Promise<number> => {
    const bag = await readFile(join(data, "key-bag"));
    using nv = KeyMaterial.copyOf((await readFile(nvFile)).subarray(12, 44));
    using root = KeyMaterial.copyOf(ROOT);
    const wrapping = new Wrapping(decodeHeader(bag), { root, nv, random: createSystemRandom() });
    let count = 0;
    for (let at = SLOT_BYTES; at < bag.length; at += SLOT_BYTES) {
      try {
        wrapping.unwrap(bag.subarray(at, at + SLOT_BYTES)).erase();
        count += 1;
      } catch (failure) {
        assert.ok(isQkdError(failure, "STORE_DAMAGED"));
      }
    }
    return count;
  };

  const live = async (mode: Mode) => {
    const data = join(folder.path, "data");
    const nv = mode === "ephemeral" ? undefined : join(mode === "nv outside" ? folder.path : data, "nv");
    const vault = await openVault(data, nv);
    const transaction = vault.transaction();
    const seal = (): SealedChunk => transaction.seal([new Uint8Array(4096).fill(7)]);
    const segments: Segments = { opened: seal(), erased: seal(), kept: seal() };
    await vault.commit(transaction);
    const taken: { readonly data: string; readonly nvThen: string | undefined }[] = [];
    for (const step of STEPS) {
      if (step === "opened") (await vault.read(segments.opened)).erase();
      if (step === "opened" || step === "erased") {
        await vault.commit(vault.transaction().destroy([segments[step].chunk]));
      }
      if (step === "re-wrapped") await vault.rewrap(FOREVER);
      const copy = await copyOf(data);
      const outside = mode === "nv outside" ? await copyOf(nv!) : undefined;
      taken.push({ data: copy, nvThen: mode === "nv in the folder" ? join(copy, "nv") : outside });
    }
    return { taken, segments, nvNow: nv };
  };

  const left = [["opened", "erased", "kept"], ["erased", "kept"], ["kept"], ["kept"]];

  it("with nv of their time tell what was in stock then, and never what was opened or erased before", async () => {
    for (const mode of MODES) {
      const { taken, segments } = await live(mode);
      for (const [step, { data, nvThen }] of taken.entries()) {
        const expected = mode === "ephemeral" ? [] : left[step];
        assert.deepEqual(await readable(data, nvThen, segments), expected, `${mode}, ${STEPS[step]}`);
      }
      await scope.close();
      await folder.remove();
      folder = await createTestFolder();
      scope = openScope("test", createRecordingLogger());
    }
  });

  it("are dead with the present nv: nothing of an earlier wrapping is read, by us or by anybody with the root", async () => {
    const { taken, segments, nvNow } = await live("nv outside");
    for (const [step, { data }] of taken.entries()) {
      const isPresent = STEPS[step] === "re-wrapped";
      assert.equal(await unwrapped(data, nvNow!), isPresent ? 1 : 0, STEPS[step]);
      const found = await readable(data, await copyOf(nvNow!), segments);
      assert.deepEqual(found, isPresent ? ["kept"] : [], STEPS[step]);
    }
  });
});
