/**
 * What goes wrong in a world, drawn from its seed: crashes at durable writes, kills, cuts, lines and modules that fail; in a hostile
 * world also lines that lie, disks that fail or are full, and wall clocks that jump.
 */
import { createHostileLines } from "./hostile-line.ts";
import type { SimNode } from "./sim-node.ts";
import type { World } from "./world.ts";

export type FaultLevel = "none" | "light" | "heavy" | "hostile";

/** Restores one node's disk, key bag and all, from a copy some seconds old, again and again until `stop`. */
export function startRollbacks(world: World, node: SimNode): { stop(): void; readonly count: number } {
  const random = world.random.fork("rollbacks");
  const report = { count: 0, stop: () => void (running = false) };
  let running = true;
  const round = (): void => {
    if (!running) return;
    const copy = node.disk.snapshot();
    const [shortest, longest] = random.chance(0.7) ? [5, 60] : [60, 4_000]; // soon: what was just said is still on its way
    world.clock.after(random.between(shortest, longest), () => {
      if (!running) return;
      for (const { ends } of world.links) if (ends.includes(node.id)) world.network.breakSession(...ends);
      node.kill();
      node.disk.restore(copy, { withNv: true });
      report.count += 1;
      world.trace.line(`fault restore ${node.id}`);
      node.start();
      world.clock.after(random.between(700, 2_500), round);
    });
  };
  world.clock.after(3_000, round);
  return report;
}

export interface FaultPlan {
  /** Until `stop`. */
  start(): void;
  /** No more faults; what is broken is mended: nodes start again, lines heal, modules are plugged in. */
  stop(): void;
  readonly crashes: number;
  /** Messages that an attacker changed, repeated or lost. */
  readonly lies: number;
}

const MEAN_MS: Readonly<Record<Exclude<FaultLevel, "none">, number>> = {
  light: 6_000,
  heavy: 1_500,
  hostile: 1_000,
};
const RESTART_MS = [100, 3_000] as const;
const CRASH_WRITES_MAX = 60;
const MODES = ["before", "after", "torn"] as const;
const KINDS = ["kill", "crash", "crash", "crash", "break", "cut", "flip", "lose", "unplug"] as const;
const HOSTILE_KINDS = [...KINDS, "attack", "attack", "disk fails", "clock"] as const;
const ATTACK_MS = [500, 6_000] as const;
/** Farther than an hour apart, nodes refuse each other and say so: that is another test. */
const CLOCK_OFF_MS = [1_000, 1_200_000] as const;
const CLOCK_OFF_FOR_MS = [500, 8_000] as const;

export function createFaultPlan(world: World, level: FaultLevel): FaultPlan {
  const random = world.random.fork("faults");
  const lines = createHostileLines(world, random.fork("hostile lines"));
  let running = false;
  let crashes = 0;

  const restartWhenDead = (node: SimNode): void => {
    node.start();
    const watch = (): void => {
      if (node.alive || !running) return void (running && world.clock.after(50, watch));
      crashes += 1;
      world.clock.after(random.between(...RESTART_MS), () => {
        node.start();
        world.clock.after(50, watch);
      });
    };
    world.clock.after(50, watch);
  };

  const strike = (): void => {
    const node = random.pick(world.nodes);
    const link = random.pick(world.links);
    const end = random.pick(["a", "b"] as const);
    const kind = random.pick(level === "hostile" ? HOSTILE_KINDS : KINDS);
    world.trace.line(`fault ${kind} ${node.id} ${link.modules.name}/${end}`);
    switch (kind) {
      case "kill":
        return node.kill();
      case "crash":
        return node.disk.crashAt(1 + random.below(CRASH_WRITES_MAX), random.pick(MODES));
      case "break":
        return world.network.breakSession(...link.ends);
      case "cut":
        world.network.cut(...link.ends, { oneWay: random.chance(0.3) });
        return void world.clock.after(random.between(500, 12_000), () => world.network.heal(...link.ends));
      case "flip":
        return link.modules.flipNextBit(end);
      case "lose":
        return link.modules.loseNextBlock(end);
      case "unplug":
        link.modules.unplug(end);
        return void world.clock.after(random.between(100, 4_000), () => link.modules.plug(end));
      case "attack":
        return lines.attack(link.ends, random.between(...ATTACK_MS));
      case "disk fails":
        return node.disk.failNextWrite(new Error(random.pick(["no space left on device", "input/output error"])));
      case "clock":
        world.clock.setWallSkew(node.id, random.pick([-1, 1]) * random.between(...CLOCK_OFF_MS));
        return void world.clock.after(random.between(...CLOCK_OFF_FOR_MS), () => world.clock.setWallSkew(node.id, 0));
    }
  };

  return {
    get crashes() {
      return crashes;
    },
    get lies() {
      return lines.acts;
    },
    start() {
      running = true;
      for (const node of world.nodes) restartWhenDead(node);
      if (level === "none") return;
      const next = (): void => {
        if (!running) return;
        strike();
        world.clock.after(-MEAN_MS[level] * Math.log(1 - random.fraction()), next);
      };
      world.clock.after(3_000, next);
    },
    stop() {
      running = false;
      lines.stop();
      world.network.healAll();
      for (const node of world.nodes) {
        node.disk.doNotCrash();
        world.clock.setWallSkew(node.id, 0);
        node.start();
      }
      for (const { modules } of world.links) for (const end of ["a", "b"] as const) modules.plug(end);
    },
  };
}
