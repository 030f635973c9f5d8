/** Laws broken on purpose, by test-only ports: for each checker one switch that it must catch. */
import type { NodePorts } from "../../src/node/ports.ts";
import { withLifeInTags, withoutFlushes } from "./broken-ports.ts";
import type { PortWrapper } from "./sim-node.ts";
import type { Workload } from "./workload.ts";
import { loseSharesAtN4, resendLostShares } from "./lost-share.ts";
import { saeAt, type World, type WorldOptions } from "./world.ts";

export interface Sabotage {
  /** The checker that must find it. */
  readonly breaks: string;
  /** Of the world that it is done in; 3 unless told. */
  readonly nodes?: number;
  readonly world?: Partial<WorldOptions>;
  readonly wrap?: PortWrapper;
  /** In the middle of the run. */
  readonly act?: (world: World, workload: Workload) => Promise<void>;
  /** Before the last checks. */
  readonly before?: (world: World, workload: Workload) => Promise<void>;
}

export type SabotageName =
  | "restore-both-ends"
  | "swap-bits"
  | "anybody-may-fetch"
  | "restore-target"
  | "forget-ledger"
  | "skip-flush"
  | "resume-segment"
  | "life-in-tag"
  | "chatty-driver"
  | "transit-keeps"
  | "dead-link"
  | "resend-share";

export const sabotages: Readonly<Record<SabotageName, Sabotage>> = {
  /**
   * Both ends of a link go back to an older disk together: the limit that DESIGN names for invariant 1. In a world of two,
   * because any third neighbour remembers a mark and gives the rollback away. One end alone is safe: its neighbour has witnessed its
   * openings. With both gone back, nothing has: this is what pads are without a witness.
   */
  "restore-both-ends": {
    breaks: "each-byte-once",
    nodes: 2,
    async act(world) {
      const ends = world.nodes.slice(0, 2);
      const copies = ends.map(({ disk }) => disk.snapshot());
      await world.clock.run(8_000);
      for (const end of ends) end.kill();
      ends.forEach(({ disk }, i) => disk.restore(copies[i]!, { withNv: true }));
      for (const end of ends) end.start();
    },
  },
  /** One node gives other bits than it holds. */
  "swap-bits": {
    breaks: "pairs-match",
    act: (world) => {
      const node = world.nodes.at(-1)!.node!;
      const honest = node.supply.decryptionKeys.bind(node.supply);
      node.supply.decryptionKeys = async (...request) => {
        const keys = await honest(...request);
        for (const { material } of keys) material.expose((bytes) => (bytes[0]! ^= 1));
        return keys;
      };
      return Promise.resolve();
    },
  },
  /** One node gives a key to whoever names it. */
  "anybody-may-fetch": {
    breaks: "denied-by-default",
    act: (world, workload) => {
      const { supply, id } = world.nodes.at(-1)!.node!;
      const honest = supply.decryptionKeys.bind(supply);
      supply.decryptionKeys = (request, deadline) => {
        const key = workload.issued.find((issued) => issued.id === request.ids[0] && issued.target.id === id);
        if (key === undefined) return honest(request, deadline);
        return honest({ ...request, pair: { initiator: saeAt(key.initiator.id), target: saeAt(id) } }, deadline);
      };
      return Promise.resolve();
    },
  },
  /** A target's disk goes back, and its SAE asks again at once. */
  "restore-target": {
    breaks: "lose-never-repeat",
    async act(world, workload) {
      const copies = world.nodes.map(({ disk }) => disk.snapshot());
      const before = workload.issued.length;
      await world.clock.run(6_000);
      const { target } = workload.issued.slice(0, before + 20).findLast(({ fetched }) => fetched)!;
      await onAnIsland(world, async () => {
        target.kill();
        target.disk.restore(copies[world.nodes.indexOf(target)]!, { withNv: true });
        target.start();
        await world.clock.run(500);
        await askAgain(world, workload, target);
      });
    },
  },
  /** Group commits are told as durable before they are, and a target is killed: its SAE asks again before any neighbour can tell. */
  "skip-flush": {
    breaks: "lose-never-repeat",
    wrap: (_, ports) => withoutFlushes(ports),
    async act(world, workload) {
      for (let round = 0; round < 6; round++) {
        const target = world.nodes[round % world.nodes.length]!;
        await onAnIsland(world, async () => {
          target.kill();
          target.start();
          await world.clock.run(1_500);
          await askAgain(world, workload, target);
        });
        await world.clock.run(2_000);
      }
    },
  },
  /** An initiator's disk goes back to before its supply segments were opened: they go on from their beginning. */
  "resume-segment": {
    breaks: "lose-never-repeat",
    async act(world) {
      const initiator = world.nodes[0]!;
      const copy = initiator.disk.snapshot();
      await world.clock.run(4_000);
      await onAnIsland(world, async () => {
        initiator.kill();
        initiator.disk.restore(copy, { withNv: true });
        initiator.start();
        await world.clock.run(4_000);
      });
    },
  },
  /** What a tag covers is another thing in each life: proposals that were on their way are said again, and differ. */
  "life-in-tag": {
    breaks: "each-byte-once",
    wrap: withLives((ports, life) => (life === 1 ? ports : withLifeInTags(ports, life))),
    async act(world) {
      const [leader, follower] = [world.nodes[0]!, world.nodes[1]!];
      world.network.cut(leader.id, follower.id, { oneWay: true });
      await world.clock.run(1_500);
      leader.kill();
      leader.start();
      world.network.healAll();
      await world.clock.run(3_000);
    },
  },
  /** The disk forgets what the ledger says; the node is killed and started again. */
  "forget-ledger": {
    breaks: "conserved",
    wrap: (node, ports) => (node === "n2" ? withoutLedger(ports) : ports),
    async act(world) {
      world.nodes[1]!.kill();
      await world.clock.run(200);
      world.nodes[1]!.start();
      await world.clock.run(1_000);
      if (!world.nodes[1]!.up && world.violations.length > 0)
        world.violations.unshift("conserved: the recount differs");
    },
  },
  /** A driver writes key into the log. */
  "chatty-driver": {
    breaks: "nothing-leaks",
    before(world, workload) {
      const { log } = world.nodes[0]!;
      log.info("debugging", { seen: Buffer.from(workload.issued[0]!.bytes).toString("base64") });
      return Promise.resolve();
    },
  },
  /** A transit node keeps what it passed on. */
  "transit-keeps": {
    breaks: "transit-blank",
    async before(world, workload) {
      const transit = world.nodes[1];
      const key = workload.issued.find(({ initiator, target }) => initiator !== transit && target !== transit)!;
      const { vault } = transit!.node!;
      const transaction = vault.transaction();
      transaction.seal([key.bytes]);
      const kept = vault.commit(transaction);
      await world.clock.run(100);
      await kept;
    },
  },
  /** The modules of a link give nothing any more, and all that it had is burned: pools cannot recover. */
  "dead-link": {
    breaks: "recovers",
    async act(world) {
      const link = world.links[0]!;
      link.modules.cut();
      await world.clock.run(2_000);
      const ends = world.nodes.slice(0, 2);
      for (const { node } of ends) {
        const burning = [...node!.links, ...node!.pools.outbound].map((room) => room.burnStock());
        await world.clock.run(300);
        await Promise.all(burning);
      }
      for (const end of ends) end.kill(); // what was open is burned as well
      for (const end of ends) end.start();
    },
  },
  /** A share that was lost on its last link, and seen on the way, is sent again over the route of the other share. */
  "resend-share": {
    breaks: "shares-apart",
    nodes: 5,
    world: { shape: "ring", split: { disjointPaths: 2, whenTooFewRoutes: "wait" } },
    async act(world) {
      resendLostShares(world);
      const losses = loseSharesAtN4(world);
      const pool = world.nodes[0]!.node!.pools.outbound.find(({ id }) => id.remote === "n3")!;
      const burning = pool.burnStock(); // all that SAEs get for n3 now was brought by such shares
      await world.clock.run(10_000);
      await burning;
      losses.mend();
    },
  },
};

/** While nobody hears of anybody. */
async function onAnIsland(world: World, act: () => Promise<void>): Promise<void> {
  for (const link of world.links) world.network.cut(...link.ends);
  await act();
  world.network.healAll();
}

/** The target's SAE wants all keys again that it was given. */
async function askAgain(world: World, { issued }: Workload, target: World["nodes"][number]): Promise<void> {
  if (target.node === undefined) return;
  for (const { id, initiator } of issued.filter((key) => key.fetched && key.target === target)) {
    const pair = { initiator: saeAt(initiator.id), target: saeAt(target.id) };
    target.node.supply.decryptionKeys({ pair, ids: [id] }, new AbortController().signal).then(
      () => world.violate(`lose-never-repeat: key ${id} was supplied twice to its target`),
      () => undefined,
    );
  }
  await world.clock.run(500);
}

/** Gives each life of each node its number, from 1. */
function withLives(wrap: (ports: NodePorts, life: number) => NodePorts): PortWrapper {
  const lives = new Map<string, number>();
  return (node, ports) => {
    const life = 1 + (lives.get(node) ?? 0);
    lives.set(node, life);
    return wrap(ports, life);
  };
}

function withoutLedger(ports: NodePorts): NodePorts {
  const { database } = ports;
  const write: typeof database.write = (operations) =>
    database.write(operations.filter(({ name }) => !name.startsWith("ledger/")));
  return { ...ports, database: { ...bound(database), write } };
}

function bound(database: NodePorts["database"]): NodePorts["database"] {
  return {
    records: (prefix) => database.records(prefix),
    get: (name) => database.get(name),
    write: (operations) => database.write(operations),
  };
}
