/** A world whose knobs come from its seed, too: many unlike worlds find more than one world under many seeds. */
import { createSeededRandom } from "../fakes/seeded-random.ts";
import type { RunOptions } from "./run-world.ts";

const RATES_BPS = [100_000, 400_000, 400_000, 1_500_000, 3_000_000] as const;
const LATENCIES_MS = [
  [0.5, 8],
  [5, 20],
  [0.1, 60],
] as const;
const FAULTS = ["light", "heavy", "hostile", "hostile", "hostile"] as const;

export function swarmWorld(seed: number): RunOptions {
  const random = createSeededRandom(`swarm ${seed}`);
  const nodes = 3 + random.below(4);
  const rateBps = random.pick(RATES_BPS);
  return {
    seed,
    nodes,
    shape: random.chance(0.6) ? "ring" : "chain",
    rateBps,
    latencyMs: random.pick(LATENCIES_MS),
    faults: random.pick(FAULTS),
    // what a world costs grows with its nodes and its key
    seconds: Math.round((random.between(15, 45) * 3) / nodes / (rateBps > 1_000_000 ? 2 : 1)),
    requestsPerSecond: random.between(1, 12),
    ...(random.chance(0.3) ? { strategy: "static-watermark" } : {}),
  };
}
