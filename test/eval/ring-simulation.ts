/** A ring of whole nodes in virtual time, under one strategy and one demand: how often stock served at once, and how much lay there. */
import { isQkdError } from "../../src/model/errors.ts";
import type { TrustedNode } from "../../src/node/trusted-node.ts";
import type { Clock } from "../../src/runtime/clock.ts";
import { createSeededRandom } from "../fakes/seeded-random.ts";
import { createWorld, saeAt, type World } from "../sim/world.ts";
import type { Cell } from "./cells.ts";
import { drawDemand, type Arrival } from "./demand.ts";
import type { RunFigures } from "./figures.ts";
import { percentile } from "./figures.ts";
import type { Contestant } from "./strategies.ts";

const NODES = 5;
const SAMPLE_MS = 100;
const PATIENCE_MS = 2_000;
const FETCH_MS = [20, 1_000] as const;
const KEY_BYTES = 32;

export interface RingOptions {
  readonly seed: number;
  readonly contestant: Contestant;
  readonly cell: Cell;
  /** Measured, in virtual time. */
  readonly seconds: number;
}

export async function simulateRing(options: RingOptions): Promise<RunFigures> {
  const { seed, contestant, cell, seconds } = options;
  const { law, perSecond, rateBps, latencyMs, fillSeconds, warmSeconds } = cell;
  const ring5 = { seed: `evaluation ${seed}`, nodes: NODES, shape: "ring", rateBps, latencyMs } as const;
  const world = createWorld({ ...ring5, ...contestant.policy });
  for (const node of world.nodes) node.start();
  await world.clock.run(fillSeconds * 1_000);
  const durationMs = (warmSeconds + seconds) * 1_000;
  const random = createSeededRandom(`demand ${seed}`);
  const ring = new RingLoad(world, random.fork("fetches"));
  ring.play(drawDemand(law, { nodes: NODES, perSecond, durationMs }, random));
  await world.clock.run(warmSeconds * 1_000);
  const before = countsOf(world);
  ring.watch();
  await world.clock.run(seconds * 1_000);
  const figures = ring.figures(before, countsOf(world));
  await world.clock.run(PATIENCE_MS + FETCH_MS[1]);
  if (world.violations.length > 0) throw new Error(`seed ${seed}: ${world.violations[0]}`);
  return figures;
}

class RingLoad {
  readonly #world: World;
  readonly #random: ReturnType<typeof createSeededRandom>;
  readonly #patience: Clock;
  #waitsMs: number[] = [];
  #refused = 0;
  readonly #stockKeys: number[] = [];

  constructor(world: World, random: ReturnType<typeof createSeededRandom>) {
    this.#world = world;
    this.#random = random;
    this.#patience = world.clock.clockFor("SAEs");
  }

  play(arrivals: readonly Arrival[]): void {
    for (const arrival of arrivals) {
      const delayMs = this.#random.between(...FETCH_MS);
      this.#world.clock.after(arrival.atMs, () => void this.#ask(arrival, delayMs));
    }
  }

  /** From now on counts. */
  watch(): void {
    this.#waitsMs = [];
    this.#refused = 0;
    const sample = (): void => {
      this.#stockKeys.push(nodesOf(this.#world).reduce((sum, node) => sum + heldKeys(node), 0));
      this.#world.clock.after(SAMPLE_MS, sample);
    };
    sample();
  }

  figures(before: Counts, after: Counts): RunFigures {
    const between = (what: keyof Counts): number => after[what] - before[what];
    const requests = between("hits") + between("latency") + between("supply");
    const suppliedBytes = between("supplied");
    return {
      requests,
      hitRatio: between("hits") / requests,
      latencyMisses: between("latency") / requests,
      supplyMisses: between("supply") / requests,
      refused: this.#refused / requests,
      stockKeys: this.#stockKeys.reduce((sum, keys) => sum + keys, 0) / this.#stockKeys.length,
      waitMs: { p50: percentile(this.#waitsMs, 0.5), p99: percentile(this.#waitsMs, 0.99) },
      wasted: between("wasted") / (suppliedBytes + between("wasted")),
      padBytesPerKeyByte: between("padBytes") / suppliedBytes,
    };
  }

  async #ask({ from, to, count, sizeBits }: Arrival, delayMs: number): Promise<void> {
    const { clock, nodes } = this.#world;
    const [initiator, target] = [nodes[from]!, nodes[to]!];
    const pair = { initiator: saeAt(initiator.id), target: saeAt(target.id) };
    const patience = this.#patience;
    const askedAt = clock.now();
    try {
      const keys = await initiator.node!.supply.encryptionKeys(
        { pair, count, sizeBits },
        patience.timeout(PATIENCE_MS),
      );
      this.#waitsMs.push(clock.now() - askedAt);
      for (const { material } of keys) material.erase();
      const ids = keys.map(({ id }) => id);
      clock.after(delayMs, () => {
        const fetched = target.node!.supply.decryptionKeys({ pair, ids }, patience.timeout(PATIENCE_MS));
        fetched.then(
          (copies) => copies.forEach(({ material }) => material.erase()),
          (failure: unknown) => this.#world.violate(String(failure)),
        );
      });
    } catch (failure) {
      if (!isQkdError(failure, "KEY_SHORTAGE")) throw failure;
      this.#refused += 1;
      this.#waitsMs.push(clock.now() - askedAt);
    }
  }
}

const nodesOf = (world: World): readonly TrustedNode[] => world.nodes.map(({ node }) => node!);

/** In all pools that the node fills, and on the way to them. */
function heldKeys(node: TrustedNode): number {
  return node.pools.outbound.reduce((sum, pool) => {
    const { stockBytes, inFlightBytes } = node.view(pool);
    return sum + (stockBytes + inFlightBytes) / KEY_BYTES;
  }, 0);
}

type Counts = Readonly<Record<"hits" | "latency" | "supply" | "supplied" | "wasted" | "padBytes", number>>;

/** Running totals of all nodes. */
function countsOf(world: World): Counts {
  const counts = { hits: 0, latency: 0, supply: 0, supplied: 0, wasted: 0, padBytes: 0 };
  for (const node of nodesOf(world)) {
    for (const pool of node.pools.outbound) {
      const { hits, misses } = node.estimates(pool);
      const balances = node.vault.ledger.balances(pool.ledger);
      counts.hits += hits;
      counts.latency += misses.latency;
      counts.supply += misses.supply;
      counts.supplied += balances.supplied;
      counts.wasted += balances.tails + balances.burned + balances.burnedOpen + balances.expired;
    }
    for (const link of node.links) {
      const { pads, tags } = link.report().balances;
      counts.padBytes += (pads + tags) / 2; // both ends book the same pad
    }
  }
  return counts;
}
