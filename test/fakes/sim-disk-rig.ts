/** A simulated disk with a clock of its own, for tests of one disk. */
import { type NodeLife, openNodeLife } from "./node-life.ts";
import { createSeededRandom } from "./seeded-random.ts";
import { type SimDisk, createSimDisk } from "./sim-disk.ts";
import type { MountedDisk } from "./sim-mount.ts";
import { type Trace, createTrace } from "./trace.ts";
import { type VirtualWorldClock, createVirtualWorldClock } from "./virtual-clock.ts";

export interface DiskRig {
  readonly clock: VirtualWorldClock;
  readonly disk: SimDisk;
  readonly trace: Trace;
  /** The life that mounted last. */
  readonly life: NodeLife;
  /** In a new life. */
  mount(): MountedDisk;
  settled<Value>(promise: Promise<Value>): Promise<Value>;
}

export function createDiskRig(seed: string | number): DiskRig {
  const clock = createVirtualWorldClock({ wallStartMs: 0 });
  const trace = createTrace({ now: () => clock.now() });
  const disk = createSimDisk({ name: "node", random: createSeededRandom(seed), trace });
  let life: NodeLife | undefined;
  return {
    clock,
    disk,
    trace,
    get life() {
      return life!;
    },
    mount() {
      life = openNodeLife({ clock, node: "node", number: (life?.number ?? 0) + 1 });
      return disk.mount(life);
    },
    async settled(promise) {
      let isSettled = false;
      const note = (): void => void (isSettled = true);
      promise.then(note, note);
      await clock.runUntil(() => isSettled, 60_000);
      return promise;
    },
  };
}
