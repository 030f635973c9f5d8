import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { layFrame } from "../../../src/link/hop-frame.ts";
import { segmentName, type Incarnation, type KeyClass, type RelayId } from "../../../src/model/ids.ts";
import { KeyMaterial } from "../../../src/model/key-material.ts";
import type { Frame } from "../../../src/peer/peer-messages.ts";
import { PadReservations } from "../../../src/relay/pad-reservations.ts";
import type { PoolDirectory } from "../../../src/relay/pool-directory.ts";
import { encodeRelayHeader, encodeRelayPlan, payloadBytesOf, type RelayPlan } from "../../../src/relay/relay-frame.ts";
import type { SplitPolicy } from "../../../src/relay/split-policy.ts";
import { joinShares } from "../../../src/relay/split-key.ts";
import { RelayHop } from "../../../src/relay/relay-hop.ts";
import { createRelayMetrics } from "../../../src/relay/relay-metrics.ts";
import { relayProof } from "../../../src/relay/relay-proof.ts";
import { createMemoryAudit } from "../../fakes/memory-audit.ts";
import { createMemoryMetrics } from "../../fakes/memory-metrics.ts";
import { createRecordingLogger } from "../../fakes/recording-logger.ts";
import { createMemoryStore } from "../store/vault-bench.ts";
import { openInbound, segmentBytes } from "./pool-bench.ts";
import { answersOf, node, standInLink, type StandInLink } from "./stand-in-link.ts";

const RELAY = "00112233445566778899aabbccddeeff" as RelayId;

/** Node "b" between "a" and "c", which is the target of a pool of "a" as well. */
async function openHop(inboundPoolBytesMax = 1_000_000, split?: SplitPolicy) {
  const store = createMemoryStore("hop");
  const vault = await store.open();
  const inbound = await openInbound(vault, store.clock);
  const [a, c] = [standInLink("a"), standInLink("c")];
  const pools: Pick<PoolDirectory, "inboundPool"> = {
    inboundPool: (remote, keyClass) => (remote === "a" && keyClass === "default" ? inbound : undefined),
  };
  const reservations = new PadReservations(store.clock, () => undefined);
  const metrics = createMemoryMetrics();
  const drains = { now: false };
  const hop = new RelayHop({
    draining: () => drains.now,
    self: node("b"),
    incarnation: "00000000000000b1" as Incarnation,
    links: new Map([a, c].map(({ link }) => [link.neighbour, link])),
    pools: pools as PoolDirectory,
    reservations,
    clock: store.clock,
    log: createRecordingLogger(),
    audit: createMemoryAudit(),
    metrics: createRelayMetrics(metrics),
    inboundPoolBytesMax,
    splitOf: () => split,
  });
  return { hop, a, c, store, inbound, metrics, drains };
}

/** The bench's wall clock begins at 0. */
const EXPIRES_AT = 30 * 24 * 3_600_000;

const planOf = (change: Partial<RelayPlan> = {}): RelayPlan => ({
  origin: node("a"),
  route: [node("b"), node("c")],
  keyClass: "default" as KeyClass,
  carriesIdSecret: true,
  segments: [{ name: segmentName(5, 1), lengthBytes: 200, expiresAt: EXPIRES_AT }],
  live: [],
  ...change,
});

interface FrameChange {
  readonly offset?: number;
  readonly totalBytes?: number;
  readonly relay?: RelayId;
  readonly payload?: Uint8Array;
  readonly timeLeftMs?: number;
}

function frameOf(plan: RelayPlan, change: FrameChange = {}): Frame {
  const totalBytes = change.totalBytes ?? payloadBytesOf(plan);
  const payload = change.payload ?? segmentBytes(segmentName(9, 9), payloadBytesOf(plan));
  const payloadOffset = change.offset ?? 0;
  const header = encodeRelayHeader({
    relay: change.relay ?? RELAY,
    payloadOffset,
    totalBytes,
    timeLeftMs: change.timeLeftMs ?? 10_000,
    plan: payloadOffset === 0 ? encodeRelayPlan(plan) : new Uint8Array(0),
  });
  const frame = layFrame(segmentName(1, 1), 96, header, payload.length);
  frame.ciphertext.set(payload);
  return { kind: "frame", bytes: frame.bytes };
}

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 30; turn++) await new Promise((done) => setImmediate(done));
};

describe("a trusted node on the way of a relay", () => {
  const elsewhere = { route: [node("c"), node("b")] } as const;
  for (const [what, plan, change, refusal] of [
    ["a plan whose route does not come from that neighbour", planOf(elsewhere), {}, "not-admitted at b"],
    ["a plan on whose route it is not", planOf({ route: [node("c")] }), {}, "not-admitted at b"],
    ["a next hop that is no neighbour", planOf({ route: [node("b"), node("z")] }), {}, "not-admitted at b"],
    ["a size that the plan does not give", planOf(), { totalBytes: 77 }, "not-admitted at b"],
    [
      "a class that has no pool here",
      planOf({ route: [node("b")], keyClass: "gold" as KeyClass }),
      {},
      "not-admitted at b",
    ],
  ] as const) {
    it(`refuses ${what}`, async () => {
      const { hop, a, c } = await openHop();
      hop.frame(a.link, frameOf(plan, change));
      assert.deepEqual([answersOf(a), c.sent], [[refusal], []]);
    });
  }

  it("refuses a relay larger than any may be", async () => {
    const { hop, a } = await openHop();
    const segments = [1, 2, 3].map((number) => ({ name: segmentName(5, number), lengthBytes: 65_536, expiresAt: 0 }));
    hop.frame(a.link, frameOf(planOf({ segments }), { payload: new Uint8Array(100) }));
    assert.deepEqual(answersOf(a), ["not-admitted at b"]);
  });

  it("never waits: without pad, session or room on the line it refuses at once, and says where", async () => {
    for (const [bend, refusal] of [
      [(to: StandInLink) => void (to.padBytes = 100), "no-pad at b"],
      [(to: StandInLink) => void (to.up = false), "unreachable at b"],
      [(to: StandInLink) => void (to.lineFull = true), "busy at b"],
    ] as const) {
      const { hop, a, c } = await openHop();
      bend(c);
      hop.frame(a.link, frameOf(planOf()));
      assert.deepEqual(answersOf(a), [refusal]);
    }
  });

  it("takes part in no relay while it is drained, neither on the way nor at the end; what has begun goes on", async () => {
    const { hop, a, c, drains } = await openHop();
    hop.frame(a.link, frameOf(planOf(), { relay: "00000000000000000000000000000001" as RelayId }));
    drains.now = true;
    for (const route of [[node("b"), node("c")], [node("b")]] as const) hop.frame(a.link, frameOf(planOf({ route })));
    assert.deepEqual([answersOf(a), answersOf(c)], [["draining at b", "draining at b"], ["frame"]]);
    assert.equal(hop.underWay, 1);
  });

  it("passes on what it opened, and brings the answer back once", async () => {
    const { hop, a, c } = await openHop();
    hop.frame(a.link, frameOf(planOf()));
    assert.deepEqual([answersOf(a), answersOf(c)], [[], ["frame"]]);
    const answer = {
      kind: "relay-answer",
      relay: RELAY,
      outcome: { kind: "refused", reason: "no-pad", atHop: node("c") },
    } as const;
    assert.equal(hop.answer(a.link, answer), false, "not from where the relay came");
    assert.equal(hop.answer(c.link, answer), true);
    assert.equal(hop.answer(c.link, answer), false);
    assert.deepEqual(answersOf(a), ["no-pad at c"]);
  });

  it("refuses a frame that it cannot open, and forgets the relay", async () => {
    const { hop, a, c } = await openHop();
    const plan = planOf();
    const half = segmentBytes(segmentName(9, 9), 100);
    hop.frame(a.link, frameOf(plan, { payload: half }));
    a.opens = "tag-wrong";
    hop.frame(a.link, frameOf(plan, { payload: half, offset: 100 }));
    assert.deepEqual(answersOf(a), ["tag-wrong at b"]);
    a.opens = "all";
    hop.frame(a.link, frameOf(plan, { payload: half, offset: 100 }));
    assert.equal(c.sent.length, 1, "nothing of it is passed on any more");
  });

  it("refuses a frame out of order, and a second relay under the same name", async () => {
    const { hop, a } = await openHop();
    const half = segmentBytes(segmentName(9, 9), 100);
    hop.frame(a.link, frameOf(planOf(), { payload: half }));
    hop.frame(a.link, frameOf(planOf(), { payload: half, offset: 150 }));
    hop.frame(a.link, frameOf(planOf(), { payload: half }));
    hop.frame(a.link, frameOf(planOf(), { payload: half }));
    assert.deepEqual(answersOf(a), ["not-admitted at b", "not-admitted at b"]);
  });

  it("takes no more relays at once than its bound, and is free again when their time is over", async () => {
    const { hop, a, store } = await openHop();
    const relay = (i: number): RelayId => i.toString(16).padStart(32, "0") as RelayId;
    const first = new Uint8Array(16);
    for (let i = 0; i < 129; i++) hop.frame(a.link, frameOf(planOf(), { relay: relay(i), payload: first }));
    assert.deepEqual(answersOf(a), ["busy at b"]);
    a.sent.length = 0;
    await store.world.run(11_000);
    assert.equal(answersOf(a).filter((answer) => answer === "deadline at b").length, 128);
    hop.frame(a.link, frameOf(planOf(), { relay: relay(500), payload: first }));
    assert.equal(answersOf(a).at(-1), "deadline at b");
  });

  it("passes over garbage in silence", async () => {
    const { hop, a } = await openHop();
    const frame = layFrame(segmentName(1, 1), 96, new Uint8Array(5), 20);
    hop.frame(a.link, { kind: "frame", bytes: frame.bytes });
    assert.deepEqual(a.sent, []);
  });
});

describe("the destination of a relay", () => {
  const here = planOf({ route: [node("b")] });

  it("proves what it has stored, and only then", async () => {
    const { hop, a, inbound } = await openHop();
    const frame = frameOf(here);
    hop.frame(a.link, frame);
    assert.equal(a.sent.length, 0, "not before it is durable");
    await turns();
    const [answer] = a.sent;
    assert.ok(answer?.kind === "relay-answer" && answer.outcome.kind === "established");
    const payload = segmentBytes(segmentName(9, 9), payloadBytesOf(here));
    assert.deepEqual(answer.outcome.proof, relayProof(encodeRelayPlan(here), payload));
    assert.ok(inbound.has(segmentName(5, 1)));
  });

  it("proves a split key once all its shares are here, by whichever way they come, and answers the others at once", async () => {
    const { hop, a, c, inbound } = await openHop();
    const other = "ff".repeat(16) as RelayId;
    const [one, two] = [0, 1].map((index) =>
      planOf({ route: index === 0 ? [node("b")] : [node("c"), node("b")], share: { key: other, shares: 2, index } }),
    );
    const bytes = payloadBytesOf(here);
    const second = segmentBytes(segmentName(8, 8), bytes);
    hop.frame(a.link, frameOf(one!));
    assert.deepEqual(answersOf(a), ["share-held"]);
    hop.frame(c.link, frameOf(two!, { relay: other, payload: second }));
    await turns();
    const [answer] = c.sent;
    assert.ok(answer?.kind === "relay-answer" && answer.outcome.kind === "established");
    const key = joinShares(
      [segmentBytes(segmentName(9, 9), bytes), second].map((payload, i) => {
        const plan = [one!, two!][i]!;
        return { plan, planBytes: encodeRelayPlan(plan), payload: KeyMaterial.copyOf(payload) };
      }),
    );
    assert.deepEqual(
      answer.outcome.proof,
      key.payload.expose((xor) => relayProof(key.provenPlan, xor)),
    );
    assert.ok(inbound.has(segmentName(5, 1)));
  });

  it("takes no key by one route into a pool that wants two, unless its policy degrades", async () => {
    const wait = await openHop(undefined, { disjointPaths: 2, whenTooFewRoutes: "wait" });
    wait.hop.frame(wait.a.link, frameOf(here));
    assert.deepEqual(answersOf(wait.a), ["not-admitted at b"]);
    const degrade = await openHop(undefined, { disjointPaths: 2, whenTooFewRoutes: "degrade" });
    degrade.hop.frame(degrade.a.link, frameOf(here));
    await turns();
    assert.deepEqual(answersOf(degrade.a), ["established"]);
  });

  it("takes a segment's name once", async () => {
    const { hop, a } = await openHop();
    const again = "ff".repeat(16) as RelayId;
    hop.frame(a.link, frameOf(here));
    hop.frame(a.link, frameOf(here, { relay: again }));
    await turns();
    hop.frame(a.link, frameOf(here, { relay: again }));
    assert.deepEqual(answersOf(a), ["not-admitted at b", "established", "not-admitted at b"]);
  });

  it("keeps the id secrets of all founding relays of an epoch, in whatever order they end, up to a bound", async () => {
    const { hop, a, inbound, metrics } = await openHop();
    const founding = (number: number): RelayPlan => ({
      ...here,
      segments: [{ ...here.segments[0]!, name: segmentName(5, number) }],
    });
    const relay = (digit: string): RelayId => digit.repeat(32) as RelayId;
    hop.frame(a.link, frameOf(founding(1), { relay: relay("a"), payload: new Uint8Array(16) })); // and then it stands still
    for (let number = 2; number < 9; number++) {
      hop.frame(a.link, frameOf(founding(number), { relay: relay(String(number)) }));
      await turns();
    }
    const [first] = inbound.idSecretNames(5);
    const rest = payloadBytesOf(founding(1)) - 16;
    hop.frame(a.link, frameOf(founding(1), { relay: relay("a"), offset: 16, payload: new Uint8Array(rest) }));
    await turns();
    assert.equal(inbound.idSecretNames(5).length, 8);
    assert.equal(inbound.idSecretNames(5)[0], first, "none takes the place of another");
    hop.frame(a.link, frameOf(founding(9), { relay: relay("c") }));
    assert.equal(answersOf(a).at(-1), "not-admitted at b");
    hop.frame(a.link, frameOf({ ...founding(1), segments: [{ ...here.segments[0]!, name: segmentName(6, 1) }] }));
    await turns();
    assert.equal(answersOf(a).at(-1), "established", "another epoch has secrets of its own");
    const counted = (result: string): number => metrics.value("qkdn_relay_total", "destination", result, "1");
    assert.equal(counted("established"), 9);
  });

  it("of two relays with the same segments the later one is not stored, and is not counted as established", async () => {
    const { hop, a, metrics } = await openHop();
    const relay = (digit: string): RelayId => digit.repeat(32) as RelayId;
    const rest = new Uint8Array(payloadBytesOf(here) - 16);
    for (const name of ["a", "b"])
      hop.frame(a.link, frameOf(here, { relay: relay(name), payload: new Uint8Array(16) }));
    for (const name of ["a", "b"]) hop.frame(a.link, frameOf(here, { relay: relay(name), offset: 16, payload: rest }));
    await turns();
    const counted = (result: string): number => metrics.value("qkdn_relay_total", "destination", result, "1");
    assert.deepEqual([counted("established"), counted("repeated")], [1, 1]);
  });

  it("is busy when the pool is full", async () => {
    const { hop, a } = await openHop(100);
    hop.frame(a.link, frameOf(here));
    await turns();
    const more = { ...here, segments: [{ ...here.segments[0]!, name: segmentName(5, 2) }] };
    hop.frame(a.link, frameOf(more));
    assert.deepEqual(answersOf(a), ["established", "busy at b"]);
  });

  it("does not take segments of an epoch whose id secret it has not: their keys could not be named", async () => {
    const { hop, a } = await openHop();
    hop.frame(a.link, frameOf({ ...here, carriesIdSecret: false }));
    await turns();
    assert.deepEqual(answersOf(a), ["not-admitted at b"]);
  });
});
