/** The laws of the port for a file on disk, and for the two slot files of a simulated node. */
import { join } from "node:path";
import { openDiskSlotFile } from "../../src/io/disk-slot-file.ts";
import { type Scope, openScope } from "../../src/runtime/scope.ts";
import { createTestFolder } from "../fakes/real-disk.ts";
import { createRecordingLogger } from "../fakes/recording-logger.ts";
import { createDiskRig } from "../fakes/sim-disk-rig.ts";
import { describeSlotFile } from "./slot-file.contract.ts";

describeSlotFile("file on disk", async () => {
  const folder = await createTestFolder();
  let scope: Scope;
  return {
    async open() {
      scope = openScope("test", createRecordingLogger());
      return openDiskSlotFile(join(folder.path, "key-bag"), scope);
    },
    close: () => scope.close(),
    settled: (promise) => promise,
    dispose: () => folder.remove(),
  };
});

for (const medium of ["keyBag", "nv"] as const) {
  describeSlotFile(`simulated disk, ${medium}`, async () => {
    const rig = createDiskRig(medium);
    return {
      open: async () => rig.mount()[medium],
      close: async () => rig.life.kill(),
      settled: rig.settled,
      dispose: async () => undefined,
    };
  });
}
