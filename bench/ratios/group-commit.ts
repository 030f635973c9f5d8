/** Claims that become durable together against each alone, on this machine's disk. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDiskSlotFile } from "../../src/io/disk-slot-file.ts";
import { createJsonLogger } from "../../src/io/json-logger.ts";
import { openLevelDatabase } from "../../src/io/level-database.ts";
import { createSystemClock } from "../../src/io/system-clock.ts";
import { createSystemRandom } from "../../src/io/system-random.ts";
import { KeyMaterial } from "../../src/model/key-material.ts";
import { openScope } from "../../src/runtime/scope.ts";
import { openKeyVault } from "../../src/store/key-vault.ts";
import type { Scenario } from "../scenario.ts";
import { contest } from "./contest.ts";

const TOGETHER = 16;

export const groupCommitRatio: Scenario = {
  name: "group-commit",
  about: "16 small transactions of the store at once against one after the other, LevelDB and disk as they are",
  async measure(options, book) {
    const folder = mkdtempSync(join(tmpdir(), "qkdnd-bench-"));
    const log = createJsonLogger({ level: "silent", destination: 2 });
    const scope = openScope("bench of the store", log);
    try {
      const { database } = await openLevelDatabase(join(folder, "records"), scope);
      const vault = await openKeyVault({
        database,
        keyBagFile: await openDiskSlotFile(join(folder, "key-bag"), scope),
        nvFile: await openDiskSlotFile(join(folder, "nv"), scope),
        root: KeyMaterial.allocate(32),
        clock: createSystemClock(),
        random: createSystemRandom(),
        log,
        metrics: undefined,
        onFailure: (failure) => {
          throw failure;
        },
      });
      let claims = 0;
      const claim = (): Promise<void> => {
        claims += 1;
        return vault.commit(vault.transaction().put(`bench/${claims % 1000}`, { used: [0, 32 * (claims % 2000)] }));
      };
      const ours = async (): Promise<number> => {
        await Promise.all(Array.from({ length: TOGETHER }, claim));
        return TOGETHER;
      };
      const theirs = async (): Promise<number> => {
        await claim();
        return 1;
      };
      await contest("16 commits together against alone", { ours, theirs }, options, book);
    } finally {
      await scope.close();
      rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
    }
  },
};
