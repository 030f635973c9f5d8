/** The laws of the port for LevelDB on disk, for a database in memory, and for the disk of a simulated node. */
import { join } from "node:path";
import { openLevelDatabase } from "../../src/io/level-database.ts";
import { levelRecordDatabase } from "../../src/io/level-record-database.ts";
import { type Scope, openScope } from "../../src/runtime/scope.ts";
import { createMemoryLevel } from "../fakes/memory-level.ts";
import { createTestFolder } from "../fakes/real-disk.ts";
import { createRecordingLogger } from "../fakes/recording-logger.ts";
import { createDiskRig } from "../fakes/sim-disk-rig.ts";
import { describeRecordDatabase } from "./record-database.contract.ts";

describeRecordDatabase("LevelDB", async () => {
  const folder = await createTestFolder();
  let scope: Scope;
  return {
    async open() {
      scope = openScope("test", createRecordingLogger());
      return (await openLevelDatabase(join(folder.path, "records"), scope)).database;
    },
    close: () => scope.close(),
    settled: (promise) => promise,
    afterClose: "refuses",
    dispose: () => folder.remove(),
  };
});

describeRecordDatabase("memory", async () => {
  const level = createMemoryLevel();
  return {
    async open() {
      await level.open();
      return levelRecordDatabase(level);
    },
    close: () => level.close(),
    settled: (promise) => promise,
    afterClose: "refuses",
    dispose: async () => undefined,
  };
});

describeRecordDatabase("simulated disk", async () => {
  const rig = createDiskRig("records");
  return {
    open: async () => rig.mount().database,
    close: async () => rig.life.kill(),
    settled: rig.settled,
    afterClose: "silent",
    dispose: async () => undefined,
  };
});
