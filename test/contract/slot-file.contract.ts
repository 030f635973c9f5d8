/** What every implementation of `SlotFile` promises: the laws of src/store/slot-file.ts, as a suite. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { SlotFile } from "../../src/store/slot-file.ts";

export interface SlotFileRig {
  /** Opens what there is; the first time it is empty. */
  open(): Promise<SlotFile>;
  /** Ends the use of what was opened last. */
  close(): Promise<void>;
  /** Lets the disk work until the promise settles. */
  settled<Value>(promise: Promise<Value>): Promise<Value>;
  /** Removes everything. */
  dispose(): Promise<void>;
}

const at = (offset: number, ...bytes: readonly number[]): { offset: number; bytes: Uint8Array } => ({
  offset,
  bytes: Uint8Array.from(bytes),
});

export function describeSlotFile(name: string, openRig: () => Promise<SlotFileRig>): void {
  describe(`slot file: ${name}`, () => {
    let rig: SlotFileRig;
    let file: SlotFile;

    beforeEach(async () => {
      rig = await openRig();
      file = await rig.open();
    });
    afterEach(async () => {
      await rig.close();
      await rig.dispose();
    });

    const load = async (): Promise<readonly number[]> => [...(await rig.settled(file.load()))];
    const reopen = async (): Promise<void> => {
      await rig.close();
      file = await rig.open();
    };

    it("a new file is empty", async () => {
      assert.deepEqual(await load(), []);
    });

    it("what was overwritten is there at once, and after a reopening", async () => {
      await rig.settled(file.overwrite([at(0, 1, 2, 3, 4)]));
      await rig.settled(file.overwrite([at(1, 9), at(3, 8)]));
      assert.deepEqual(await load(), [1, 9, 3, 8]);
      await reopen();
      assert.deepEqual(await load(), [1, 9, 3, 8]);
    });

    it("the file grows with zeros", async () => {
      await rig.settled(file.overwrite([at(6, 1, 2)]));
      assert.deepEqual(await load(), [0, 0, 0, 0, 0, 0, 1, 2]);
    });

    it("changes of one overwriting take effect in their order", async () => {
      await rig.settled(file.overwrite([at(0, 1, 1, 1), at(1, 2, 2), at(2, 3)]));
      assert.deepEqual(await load(), [1, 2, 3]);
    });

    it("an overwriting with nothing changes nothing", async () => {
      await rig.settled(file.overwrite([]));
      assert.deepEqual(await load(), []);
    });

    it("a replaced file is the new one, also where that is shorter", async () => {
      await rig.settled(file.overwrite([at(0, 1, 2, 3, 4)]));
      await rig.settled(file.replace(Uint8Array.of(5, 6)));
      assert.deepEqual(await load(), [5, 6]);
      await rig.settled(file.overwrite([at(1, 7)]));
      await reopen();
      assert.deepEqual(await load(), [5, 7]);
    });

    it("operations that are not awaited take effect in their order", async () => {
      const writes = Array.from({ length: 20 }, (_, number) =>
        number % 5 === 4 ? file.replace(Uint8Array.of(number, number)) : file.overwrite([at(number % 2, number)]),
      );
      await rig.settled(Promise.all(writes));
      assert.deepEqual(await load(), [19, 19]);
    });

    it("the bytes of a write are taken at the call", async () => {
      const [change, whole] = [at(2, 7), Uint8Array.of(1, 2)];
      const writes = [file.replace(whole), file.overwrite([change])];
      whole.fill(0);
      change.bytes.fill(0);
      await rig.settled(Promise.all(writes));
      assert.deepEqual(await load(), [1, 2, 7]);
    });

    it("the bytes that were loaded belong to the reader", async () => {
      await rig.settled(file.replace(Uint8Array.of(1, 2)));
      (await rig.settled(file.load())).fill(0);
      assert.deepEqual(await load(), [1, 2]);
    });
  });
}
