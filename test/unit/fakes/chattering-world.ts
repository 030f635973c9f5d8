/**
 * A world of nodes that chatter, write to their disks, crash and come back: enough to show that a seed replays. Run as
 * a program with a seed, it prints the hash of its trace.
 */
import { pathToFileURL } from "node:url";
import { parseNodeId, type NodeId, type RelayId } from "../../../src/model/ids.ts";
import type { PeerSession } from "../../../src/peer/peer-transport.ts";
import { openScope } from "../../../src/runtime/scope.ts";
import { type NodeLife, openNodeLife } from "../../fakes/node-life.ts";
import { createRecordingLogger } from "../../fakes/recording-logger.ts";
import { type SeededRandom, createSeededRandom } from "../../fakes/seeded-random.ts";
import { type SimDisk, createSimDisk } from "../../fakes/sim-disk.ts";
import { type SimNetwork, createSimNetwork } from "../../fakes/sim-network.ts";
import { type Trace, createTrace } from "../../fakes/trace.ts";
import { type VirtualWorldClock, createVirtualWorldClock } from "../../fakes/virtual-clock.ts";

export interface WorldOutcome {
  readonly hash: string;
  readonly events: number;
  readonly timers: number;
  readonly messages: number;
}

interface World {
  readonly clock: VirtualWorldClock;
  readonly network: SimNetwork;
  readonly trace: Trace;
}

export async function runChatteringWorld(seed: number, options = { nodes: 4, seconds: 6 }): Promise<WorldOutcome> {
  const random = createSeededRandom(seed);
  const clock = createVirtualWorldClock({ wallStartMs: Date.UTC(2026, 0, 1) });
  const trace = createTrace({ now: () => clock.now() });
  const network = createSimNetwork({
    clock,
    random: random.fork("network"),
    trace,
    latencyMs: [1, 20],
    sessionLifeMeanMs: 4_000,
  });
  const ids = Array.from({ length: options.nodes }, (_, at) => parseNodeId(`n${at}`));
  for (const id of ids) {
    const luck = random.fork(id);
    const disk = createSimDisk({ name: id, random: luck.fork("disk"), trace });
    live({ clock, network, trace }, { id, disk, luck, others: ids.filter((other) => other !== id), number: 1 });
  }
  network.cut(ids[0]!, ids[1]!, { endSessionsAfterMs: 2_000 });
  clock.after(3_000, () => network.heal(ids[0]!, ids[1]!));
  await clock.run(options.seconds * 1000);
  return { hash: trace.hash(), events: trace.lines, timers: clock.timersFired, messages: network.messagesSent };
}

interface Chatterer {
  readonly id: NodeId;
  readonly disk: SimDisk;
  readonly luck: SeededRandom;
  readonly others: readonly NodeId[];
  readonly number: number;
}

function live(world: World, node: Chatterer): void {
  const life = openNodeLife({ clock: world.clock, node: node.id, number: node.number });
  node.disk.crashAt(200 + node.luck.below(400), node.luck.pick(["before", "after", "torn"]));
  life.onKill(() => world.clock.after(500, () => live(world, { ...node, number: node.number + 1 })));
  void chatter(world, node, life);
}

async function chatter(world: World, node: Chatterer, life: NodeLife): Promise<void> {
  const { database, keyBag } = node.disk.mount(life);
  const transport = world.network.transportFor(life);
  const scope = openScope(node.id, createRecordingLogger());
  const told: string[] = [];
  for await (const [name] of database.records("")) told.push(name);
  world.trace.line(`${node.id} remembers ${told.length}`);
  const listenTo = (session: PeerSession): void =>
    session.listen({
      message: (message) => {
        const bytes = message.kind === "frame" ? message.bytes : new Uint8Array(0);
        void database.write([{ kind: "put", name: `from ${session.remote} ${bytes[0]}`, value: bytes }]);
      },
      ended: (reason) => world.trace.line(`${node.id} lost ${session.remote}: ${reason}`),
    });
  await transport.serve(listenTo, scope);
  for (const other of node.others) {
    scope.spawn(`talk to ${other}`, async (signal) => {
      for (;;) {
        await life.clock.sleep(100, signal);
        const session = await transport.connect(other, life.clock.timeout(2_000, signal)).catch(() => undefined);
        if (session === undefined) continue;
        listenTo(session);
        let open = true;
        while (open) {
          const bytes = new Uint8Array(new ArrayBuffer(64));
          node.luck.fill(bytes);
          open = session.send({ kind: "frame", bytes });
          await keyBag.overwrite([{ offset: bytes[0]! * 64, bytes }]);
          const answer = { kind: "refused", reason: "busy", atHop: node.id } as const;
          open &&= session.send({ kind: "relay-answer", relay: "00" as RelayId, outcome: answer });
          await life.clock.sleep(node.luck.between(1, 30), signal);
        }
      }
    });
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const { hash } = await runChatteringWorld(Number(process.argv[2]));
  process.stdout.write(`${hash}\n`);
}
