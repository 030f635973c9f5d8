/** One lie, one lost message or one session that ends at a bad time must not stop a link, or let it give what is not there. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LINK_LIMITS } from "../../src/link/link-parts.ts";
import { decodeManifest, encodeManifest, type LinkEnd } from "../../src/link/manifest.ts";
import { segmentEpoch, segmentName, type NodeId, type SegmentName } from "../../src/model/ids.ts";
import type { NodePorts } from "../../src/node/ports.ts";
import type { TrustedNode } from "../../src/node/trusted-node.ts";
import type { Proposal } from "../../src/peer/peer-messages.ts";
import type { DiskSnapshot } from "../fakes/sim-disk.ts";
import type { SimNode } from "./sim-node.ts";
import { createWorld, saeAt, type World } from "./world.ts";

const LAST = "ffffffffffffffff" as SegmentName;
const HALF_AN_HOUR = 1_800; // in epochs, which are about seconds

const linkAt = (world: World, place: number): TrustedNode["links"][number] => world.nodes[place]!.node!.links[0]!;

const padsAt = (world: World): number[] => world.nodes.map((_, place) => linkAt(world, place).padBytesAvailable());

function start(world: World): void {
  for (const node of world.nodes) node.start();
}

/** The first proposal gets another name; all later ones are honest. Their names, as they were sent. */
function misnameOneProposal(world: World, nameFor: (segment: SegmentName) => SegmentName): readonly SegmentName[] {
  const sent: SegmentName[] = [];
  world.network.tamper((_from, _to, message) => {
    if (message.kind !== "proposal" || sent.push(message.segment) > 1) return message;
    return renamed(message, nameFor(message.segment));
  });
  return sent;
}

function renamed(proposal: Proposal, segment: SegmentName): Proposal {
  return { ...proposal, segment, manifest: encodeManifest({ ...decodeManifest(proposal.manifest), segment }) };
}

/** The node begins again, with nothing of what it knew. */
function replaceStore(node: SimNode, empty: DiskSnapshot): void {
  node.kill();
  node.disk.restore(empty, { withNv: true });
  node.start();
}

test("one hello that claims openings far in the future does not stop pads in either direction", async () => {
  const world = createWorld({ seed: 3, nodes: 2 });
  let lies = 0;
  world.network.tamper((from, _to, message) =>
    message.kind === "hello" && from === "n2" && lies++ === 0
      ? { ...message, witnessedUpTo: LAST, openedUpTo: LAST }
      : message,
  );
  start(world);
  await world.clock.run(6_000);
  assert.equal(lies, 1);
  for (const pads of padsAt(world)) assert.ok(pads > 0, "an end has no pads");
  assert.deepEqual(world.violations, []);
});

test("one proposal with the last name of all makes no later one stale, nor one of the neighbour's next store", async () => {
  const world = createWorld({ seed: 3, nodes: 2 });
  const empty = world.nodes[0]!.disk.snapshot();
  const sent = misnameOneProposal(world, () => LAST);
  start(world);
  for (const store of ["first", "next"]) {
    const before = sent.length;
    await world.clock.run(6_000);
    assert.ok(sent.length > before + 1, `no honest proposal with the ${store} store`);
    for (const place of [0, 1]) assert.ok(linkAt(world, place).report().balances.stock > 0, `no stock, ${store} store`);
    for (const pads of padsAt(world)) assert.ok(pads > 0, `an end has no pads with the ${store} store`);
    if (store === "first") replaceStore(world.nodes[0]!, empty);
  }
  assert.ok(linkAt(world, 1).report().balances.burned > 0, "what was shared with the first store is burned");
  assert.deepEqual(world.violations, []);
});

test("a name ahead of its time, which can be believed, is forgotten when the neighbour's store is replaced", async () => {
  const world = createWorld({ seed: 3, nodes: 2 });
  const empty = world.nodes[0]!.disk.snapshot();
  const sent = misnameOneProposal(world, (segment) => segmentName(segmentEpoch(segment) + HALF_AN_HOUR, 1));
  start(world);
  await world.clock.run(4_000);
  assert.ok(sent.length > 1, "only one proposal was sent");
  assert.equal(linkAt(world, 1).report().balances.stock, 0, "the lie was not believed: this shows nothing");
  replaceStore(world.nodes[0]!, empty);
  await world.clock.run(6_000);
  for (const place of [0, 1]) assert.ok(linkAt(world, place).report().balances.stock > 0, "nothing was agreed");
  assert.deepEqual(world.violations, []);
});

test("agreements that a full line lost, and that openings made up for, do not stop proposals for ever", async () => {
  const world = createWorld({
    seed: 11,
    nodes: 2,
    strategy: "static-watermark",
    lowKeys: 30_000,
    highKeys: 60_000,
    rateBps: 1_000_000,
  });
  const enough = LINK_LIMITS.proposalsInFlightMax;
  const owners = new Map<SegmentName, LinkEnd>();
  const lost = new Set<SegmentName>();
  const openedAllTheSame = new Set<SegmentName>();
  world.network.tap((_from, _to, message) => {
    if (message.kind === "proposal") owners.set(message.segment, decodeManifest(message.manifest).owner);
    if (message.kind === "segment-opening" && lost.has(message.segment)) openedAllTheSame.add(message.segment);
  });
  world.network.tamper((_from, _to, message) => {
    if (message.kind !== "agreement" || owners.get(message.segment) !== "follower") return message;
    lost.add(message.segment);
    return undefined;
  });
  start(world);
  for (let second = 0; openedAllTheSame.size < enough && second < 30; second++) await world.clock.run(1_000);
  assert.ok(openedAllTheSame.size >= enough, `only ${openedAllTheSame.size} openings made up for a lost agreement`);
  world.network.tamper(undefined);
  const before = owners.size;
  for (let second = 0; owners.size === before && second < 20; second++) await world.clock.run(1_000);
  assert.ok(owners.size > before, "no fresh proposal, also when the repetition of those without an answer was due");
  assert.deepEqual(world.violations, []);
});

test("a session that ended while its hello was being settled opens no pads", async () => {
  const settling = { slowMs: 0 };
  const slowDisk = (node: NodeId, ports: NodePorts): NodePorts => {
    if (node !== "n1") return ports;
    const { database, clock } = ports;
    const write: typeof database.write = async (operations) => {
      if (settling.slowMs > 0) await clock.sleep(settling.slowMs, new AbortController().signal);
      return database.write(operations);
    };
    return {
      ...ports,
      database: { records: (prefix) => database.records(prefix), get: (name) => database.get(name), write },
    };
  };
  const world = createWorld({ seed: 5, nodes: 2, wrap: slowDisk });
  start(world);
  await world.clock.run(5_000);
  assert.ok(linkAt(world, 0).up && padsAt(world)[0]! > 0, "there were no pads to begin with");
  settling.slowMs = 300;
  let heard = false;
  world.network.tap((from, _to, message) => {
    if (message.kind !== "hello" || from !== "n2" || heard) return;
    heard = true;
    world.clock.after(60, () => {
      world.network.breakSession("n1", "n2");
      world.network.cut("n1", "n2");
    });
  });
  world.network.breakSession("n1", "n2");
  await world.clock.run(5_000);
  assert.ok(heard, "no hello came");
  assert.equal(linkAt(world, 0).up, false);
  assert.equal(padsAt(world)[0], 0);
  assert.deepEqual(world.violations, []);
});

test("an initiator learns that its target came back with an empty store, and supplies only keys that are there", async () => {
  const world = createWorld({ seed: 21, nodes: 3 });
  const [initiator, , target] = world.nodes as [SimNode, SimNode, SimNode];
  const empty = target.disk.snapshot();
  start(world);
  await world.clock.run(5_000);
  const pool = initiator.node!.pools.outbound.find(({ id }) => id.remote === target.id)!;
  const idle = pool.stockBytes;
  assert.ok(idle > 0, "there was no stock to lose");
  world.network.cut("n1", "n2");
  replaceStore(target, empty);
  await world.clock.run(7_000); // what the target told at its start went nowhere
  assert.equal(linkAt(world, 0).up, false);
  assert.equal(pool.stockBytes, idle);
  world.network.healAll();
  await world.clock.run(16_000); // by then it has told again
  const pair = { initiator: saeAt(initiator.id), target: saeAt(target.id) };
  const never = new AbortController().signal;
  let ids: string[] = [];
  let fetched: string[] = [];
  void initiator
    .node!.supply.encryptionKeys({ pair, count: 16, sizeBits: 256 }, never)
    .then((keys) => {
      ids = keys.map(({ id }) => id);
      return target.node!.supply.decryptionKeys({ pair, ids: keys.map(({ id }) => id) }, never);
    })
    .then((keys) => (fetched = keys.map(({ id }) => id)));
  await world.clock.run(500);
  assert.equal(ids.length, 16);
  assert.deepEqual(fetched, ids);
  assert.deepEqual(world.violations, []);
});
