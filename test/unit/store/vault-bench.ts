/** A store on a simulated disk, opened again and again in new lives; or in memory, where a test needs no disk. */
import { levelRecordDatabase } from "../../../src/io/level-record-database.ts";
import type { QkdError } from "../../../src/model/errors.ts";
import { KeyMaterial } from "../../../src/model/key-material.ts";
import type { Clock } from "../../../src/runtime/clock.ts";
import { openKeyVault, type KeyVault, type KeyVaultParts } from "../../../src/store/key-vault.ts";
import type { SlotFile } from "../../../src/store/slot-file.ts";
import { createMemoryLevel } from "../../fakes/memory-level.ts";
import { createMemoryMetrics } from "../../fakes/memory-metrics.ts";
import { createRecordingLogger } from "../../fakes/recording-logger.ts";
import { createSeededRandom, type SeededRandom } from "../../fakes/seeded-random.ts";
import { createDiskRig, type DiskRig } from "../../fakes/sim-disk-rig.ts";
import { createVirtualWorldClock } from "../../fakes/virtual-clock.ts";

export const ROOT = new Uint8Array(32).fill(0x52);

export interface VaultBench {
  readonly rig: DiskRig;
  readonly failures: QkdError[];
  readonly random: SeededRandom;
  /** In a new life of the node; what an earlier one had under way is over. */
  open(root?: Uint8Array, options?: { readonly ephemeral?: boolean }): Promise<KeyVault>;
  /** Runs until it settles, or the life ends. @returns whether it settled well */
  survives(work: (vault: KeyVault) => Promise<void>): Promise<boolean>;
}

export function createVaultBench(seed: string | number): VaultBench {
  const rig = createDiskRig(seed);
  const random = createSeededRandom(`vault ${seed}`);
  const failures: QkdError[] = [];
  const openHere = (root: Uint8Array, ephemeral = false): Promise<KeyVault> => {
    const { database, keyBag, nv } = rig.mount();
    return openKeyVault({
      ...partsOf(rig.life.clock, random, failures, root),
      database,
      keyBagFile: keyBag,
      nvFile: ephemeral ? undefined : nv,
    });
  };
  return {
    rig,
    failures,
    random,
    open(root = ROOT, { ephemeral } = {}) {
      (rig.life as DiskRig["life"] | undefined)?.kill();
      return rig.settled(openHere(root, ephemeral));
    },
    async survives(work) {
      (rig.life as DiskRig["life"] | undefined)?.kill();
      let done = false;
      void openHere(ROOT)
        .then(work)
        .then(() => (done = true));
      await rig.clock.runUntil(() => done || !rig.life.alive, 60_000);
      return done;
    },
  };
}

function partsOf(
  clock: Clock,
  random: SeededRandom,
  failures: QkdError[],
  root: Uint8Array,
): Omit<KeyVaultParts, "database" | "keyBagFile" | "nvFile"> {
  return {
    root: KeyMaterial.copyOf(root),
    clock,
    random,
    log: createRecordingLogger(),
    metrics: createMemoryMetrics(),
    onFailure: (failure) => void failures.push(failure),
  };
}

/** A store in memory: its writes are done after some turns of the microtask queue, and no clock has to run. */
export interface MemoryStore {
  readonly clock: Clock;
  readonly world: ReturnType<typeof createVirtualWorldClock>;
  readonly random: SeededRandom;
  readonly bag: MemorySlots;
  readonly level: ReturnType<typeof createMemoryLevel>;
  readonly failures: QkdError[];
  open(): Promise<KeyVault>;
}

export interface MemorySlots extends SlotFile {
  bytes: Uint8Array;
  /** Writes wait while this is set. */
  gate: Promise<void> | undefined;
}

export function createMemoryStore(seed: string | number, options: { readonly wallStartMs?: number } = {}): MemoryStore {
  const world = createVirtualWorldClock({ wallStartMs: options.wallStartMs ?? 1_900_000_000_000 });
  const clock = world.clockFor("node");
  const random = createSeededRandom(seed);
  const level = createMemoryLevel();
  const bag = memorySlots();
  const nv = memorySlots();
  const failures: QkdError[] = [];
  return {
    clock,
    world,
    random,
    bag,
    level,
    failures,
    open: () =>
      openKeyVault({
        ...partsOf(clock, random, failures, ROOT),
        database: levelRecordDatabase(level),
        keyBagFile: bag,
        nvFile: nv,
      }),
  };
}

function memorySlots(): MemorySlots {
  return {
    bytes: new Uint8Array(0),
    gate: undefined,
    load() {
      return Promise.resolve(this.bytes.slice());
    },
    async overwrite(changes) {
      const end = changes.reduce((most, { offset, bytes }) => Math.max(most, offset + bytes.length), this.bytes.length);
      const changed = new Uint8Array(end);
      changed.set(this.bytes);
      for (const { offset, bytes } of changes) changed.set(bytes, offset);
      await this.gate;
      this.bytes = changed;
    },
    replace(bytes) {
      this.bytes = bytes.slice();
      return Promise.resolve();
    },
  };
}
