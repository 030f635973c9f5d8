/** A world: a chain or ring of whole nodes in one process, with modules, a network, disks, SAEs, faults and checkers. */
import type { NodeId } from "../../src/model/ids.ts";
import { linkIdBetween, parseKeyClass, parseNodeId, parseSaeId } from "../../src/model/ids.ts";
import { LINK_LIMITS } from "../../src/link/link-parts.ts";
import type { SplitPolicy } from "../../src/relay/split-policy.ts";
import { NODE_DEFAULTS, POLICY_DEFAULT, SUPPLY_DEFAULTS, type NodeConfig } from "../../src/node/config.ts";
import { createEmulatedModules, type EmulatedLink } from "../fakes/emulated-modules.ts";
import { createSeededRandom, type SeededRandom } from "../fakes/seeded-random.ts";
import { createSimDisk } from "../fakes/sim-disk.ts";
import { createSimNetwork, type SimNetwork } from "../fakes/sim-network.ts";
import { createTrace, type Trace } from "../fakes/trace.ts";
import { createVirtualWorldClock, type VirtualWorldClock } from "../fakes/virtual-clock.ts";
import { SimNode, type PortWrapper } from "./sim-node.ts";

export interface WorldOptions {
  readonly seed: string | number;
  readonly nodes?: number;
  readonly shape?: "chain" | "ring";
  readonly rateBps?: number;
  /** Of each message. */
  readonly latencyMs?: readonly [min: number, max: number];
  readonly strategy?: string;
  readonly lowKeys?: number;
  readonly highKeys?: number;
  /** Of every pool of every node. */
  readonly split?: SplitPolicy;
  readonly wrap?: PortWrapper;
  readonly sink?: (line: string) => void;
}

export interface SimLink {
  readonly ends: readonly [NodeId, NodeId];
  readonly modules: EmulatedLink;
}

export interface World {
  readonly options: WorldOptions;
  readonly clock: VirtualWorldClock;
  readonly random: SeededRandom;
  readonly trace: Trace;
  readonly network: SimNetwork;
  readonly nodes: readonly SimNode[];
  readonly links: readonly SimLink[];
  /** Broken laws, as sentences; a world without any is sound. */
  readonly violations: string[];
  violate(law: string): void;
}

const READ_MS = [0.05, 1] as const;
const WALL_START_MS = 1_790_000_000_000;
const KEY_CLASS = parseKeyClass("default");

/** Makes a world in which nothing has started yet. */
export function createWorld(options: WorldOptions): World {
  const random = createSeededRandom(options.seed);
  const clock = createVirtualWorldClock({ wallStartMs: WALL_START_MS });
  const sink = options.sink === undefined ? {} : { sink: options.sink };
  const trace = createTrace({ now: () => clock.now(), ...sink });
  const network = createSimNetwork({
    clock,
    random: random.fork("network"),
    trace,
    latencyMs: options.latencyMs ?? [0.5, 8],
  });
  const ids = Array.from({ length: options.nodes ?? 3 }, (_, i) => parseNodeId(`n${i + 1}`));
  const edges = edgesOf(ids, options.shape ?? "chain");
  const modules = createEmulatedModules("emulated");
  const links = edges.map((ends) => {
    const name = linkIdBetween(...ends);
    const rateBps = options.rateBps ?? 400_000;
    const lasting = { clock: clock.clockFor(`modules ${name}`) };
    return { ends, modules: modules.addLink({ name, seed: `${options.seed} ${name}`, rateBps, ...lasting }) };
  });
  const violations: string[] = [];
  const world: World = {
    options,
    clock,
    random,
    trace,
    network,
    links,
    violations,
    violate(law) {
      violations.push(`${(clock.now() / 1000).toFixed(3)} s: ${law}`);
      trace.line(`VIOLATION ${law}`);
    },
    nodes: ids.map((id) => {
      const disk = createSimDisk({ name: id, random: random.fork(`disk ${id}`), trace, readMs: READ_MS });
      const config = configOf(id, ids, links, options);
      const wrap: PortWrapper = options.wrap ?? ((_, ports) => ports);
      const onBroken = (node: NodeId, failure: Error): void => world.violate(`${node}: ${failure.message}`);
      const parts = { config, clock, network, disk, driver: modules.driver, trace, wrap, onBroken };
      return new SimNode({ ...parts, random: random.fork(`node ${id}`) });
    }),
  };
  return world;
}

function edgesOf(ids: readonly NodeId[], shape: "chain" | "ring"): (readonly [NodeId, NodeId])[] {
  const edges = ids.slice(1).map((id, i) => [ids[i]!, id] as const);
  return shape === "ring" ? [...edges, [ids[0]!, ids.at(-1)!] as const] : edges;
}

export const saeAt = (node: NodeId): ReturnType<typeof parseSaeId> => parseSaeId(`sae-${node}`);

function configOf(id: NodeId, ids: readonly NodeId[], links: readonly SimLink[], options: WorldOptions): NodeConfig {
  const pairs = ids.flatMap((one, i) =>
    ids.slice(i + 1).map((other) => ({ between: [saeAt(one), saeAt(other)] as const, keyClass: KEY_CLASS })),
  );
  return {
    node: id,
    links: links
      .filter(({ ends }) => ends.includes(id))
      .map(({ ends, modules }) => ({
        neighbour: ends[0] === id ? ends[1] : ends[0],
        driver: "emulated",
        driverConfig: modules.configs[ends[0] === id ? "a" : "b"],
        limits: { ...LINK_LIMITS, segmentBytes: 16_384, segmentAgeMaxMs: 5_000 },
      })),
    saes: ids.map((node) => ({ id: saeAt(node), node })),
    pairs,
    supply: SUPPLY_DEFAULTS,
    policy: {
      ...POLICY_DEFAULT,
      ...(options.strategy === undefined ? {} : { strategy: options.strategy }),
      ...(options.split === undefined ? {} : { split: options.split }),
      lowKeys: options.lowKeys ?? 32,
      highKeys: options.highKeys ?? 64,
    },
    policies: [],
    ...NODE_DEFAULTS,
  };
}
