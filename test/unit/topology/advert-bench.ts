/** Nodes that only flood adverts, joined by lines with a delay, which can be cut, filled up and looked at. */
import type { Advert, AdvertisedLink } from "../../../src/peer/peer-messages.ts";
import type { NodeId } from "../../../src/model/ids.ts";
import { AdvertFlood } from "../../../src/topology/advert-flood.ts";
import { NetworkMap } from "../../../src/topology/network-map.ts";
import { createTopologyMetrics } from "../../../src/topology/topology-metrics.ts";
import { createMemoryMetrics, type MemoryMetrics } from "../../fakes/memory-metrics.ts";
import { createVirtualWorldClock, type VirtualWorldClock } from "../../fakes/virtual-clock.ts";
import { node } from "./network-graphs.ts";

export const WALL_START_MS = 1_790_000_000_000;
export const EPOCH = WALL_START_MS / 1000;
const DELAY_MS = 3;

export const advertised = (neighbour: string, change: Partial<AdvertisedLink> = {}): AdvertisedLink => ({
  neighbour: node(neighbour),
  state: "up",
  padBytes: 1_000_000,
  padBytesPerSecond: 10_000,
  ...change,
});

export interface FloodNode {
  readonly map: NetworkMap;
  readonly flood: AdvertFlood;
  readonly metrics: MemoryMetrics;
  readonly pads: Map<string, number>;
  end(): void;
}

export interface FloodWorld {
  readonly world: VirtualWorldClock;
  /** All that was sent: from, to, advert. */
  readonly sent: readonly (readonly [from: string, to: string, advert: Advert])[];
  at(name: string): FloodNode;
  /** Begins a life; its lines come up at once. */
  start(name: string, epoch?: number): FloodNode;
  cut(one: string, other: string): void;
  join(one: string, other: string): void;
  /** Nothing more fits the line from one to the other, until `false`. */
  fill(from: string, to: string, isFull: boolean): void;
}

/** Lines as "a-b"; the nodes start at once. */
export function openFloodWorld(...lines: readonly string[]): FloodWorld {
  return new FloodBench(lines);
}

class FloodBench implements FloodWorld {
  readonly world = createVirtualWorldClock({ wallStartMs: WALL_START_MS });
  readonly sent: [string, string, Advert][] = [];
  readonly #lines: readonly string[];
  readonly #nodes = new Map<string, FloodNode>();
  /** Lines that are up, by both directions. */
  readonly #up = new Set<string>();
  readonly #full = new Set<string>();
  #life = 0;

  constructor(lines: readonly string[]) {
    this.#lines = lines;
    for (const name of new Set(lines.flatMap((line) => line.split("-")))) this.start(name);
  }

  at(name: string): FloodNode {
    return this.#nodes.get(name)!;
  }

  start(name: string, epoch: number = EPOCH): FloodNode {
    this.#nodes.get(name)?.end();
    const others = this.#lines.flatMap((line) => {
      const [one, other] = line.split("-") as [string, string];
      return one === name ? [other] : other === name ? [one] : [];
    });
    for (const other of others) this.cut(name, other);
    const clock = this.world.clockFor(`${name} ${++this.#life}`);
    const pads = new Map(others.map((other) => [other, 1_000_000]));
    const map = new NetworkMap(node(name), clock);
    const metrics = createMemoryMetrics();
    const links = new Map(others.map((other) => [node(other), { send: this.#sender(name, other) }]));
    const ownLinks = (): AdvertisedLink[] =>
      others.map((other) => {
        const state = this.#up.has(`${name}-${other}`) ? "up" : "down";
        return advertised(other, { state, padBytes: pads.get(other)! });
      });
    const flood = new AdvertFlood({
      map,
      epoch,
      links,
      ownLinks,
      clock,
      metrics: createTopologyMetrics(metrics),
    });
    const life = new AbortController();
    void flood.run(life.signal);
    const end = (): void => {
      life.abort();
      clock.kill();
    };
    this.#nodes.set(name, { map, flood, metrics, pads, end });
    for (const other of others) if (this.#nodes.has(other)) this.join(name, other);
    return this.at(name);
  }

  cut(one: string, other: string): void {
    for (const [from, to] of [
      [one, other],
      [other, one],
    ] as const) {
      if (this.#up.delete(`${from}-${to}`)) this.at(from).flood.down(node(to));
    }
  }

  join(one: string, other: string): void {
    for (const [from, to] of [
      [one, other],
      [other, one],
    ] as const) {
      this.#up.add(`${from}-${to}`);
      this.at(from).flood.up(node(to));
    }
  }

  fill(from: string, to: string, isFull: boolean): void {
    if (isFull) this.#full.add(`${from}-${to}`);
    else this.#full.delete(`${from}-${to}`);
  }

  #sender(from: string, to: string): (advert: Advert) => boolean {
    return (advert) => {
      const line = `${from}-${to}`;
      if (!this.#up.has(line) || this.#full.has(line)) return false;
      this.sent.push([from, to, advert]);
      const receiver = this.at(to);
      this.world.after(DELAY_MS, () => {
        if (this.#up.has(line) && this.at(to) === receiver) receiver.flood.receive(from as NodeId, advert);
      });
      return true;
    };
  }
}
