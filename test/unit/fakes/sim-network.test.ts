import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { isQkdError } from "../../../src/model/errors.ts";
import { type NodeId, parseNodeId } from "../../../src/model/ids.ts";
import type { PeerMessage } from "../../../src/peer/peer-messages.ts";
import type { PeerSession } from "../../../src/peer/peer-transport.ts";
import { openScope } from "../../../src/runtime/scope.ts";
import { type NodeLife, openNodeLife } from "../../fakes/node-life.ts";
import { createRecordingLogger } from "../../fakes/recording-logger.ts";
import { createSeededRandom } from "../../fakes/seeded-random.ts";
import { type SimNetwork, createSimNetwork } from "../../fakes/sim-network.ts";
import { createTrace } from "../../fakes/trace.ts";
import { type VirtualWorldClock, createVirtualWorldClock } from "../../fakes/virtual-clock.ts";

const A = parseNodeId("a");
const B = parseNodeId("b");
const LATENCY_MS = [1, 5] as const;

interface Ear {
  readonly session: PeerSession;
  readonly heard: number[];
  readonly ends: string[];
}

const beat = (number: number): PeerMessage => ({ kind: "heartbeat", demandBytesPerSecond: number });

function listenTo(session: PeerSession): Ear {
  const ear: Ear = { session, heard: [], ends: [] };
  session.listen({
    message: (message) => ear.heard.push(message.kind === "heartbeat" ? message.demandBytesPerSecond : -1),
    ended: (reason) => ear.ends.push(reason),
  });
  return ear;
}

describe("simulated network", () => {
  let clock: VirtualWorldClock;
  let network: SimNetwork;
  let lives: { a: NodeLife; b: NodeLife };
  let taken: Ear[];

  const live = (node: NodeId, number: number): NodeLife => openNodeLife({ clock, node, number });
  const serve = (life: NodeLife): Promise<void> =>
    network
      .transportFor(life)
      .serve((session) => void taken.push(listenTo(session)), openScope(life.node, createRecordingLogger()));

  async function open(options: { sessionLifeMeanMs?: number } = {}): Promise<void> {
    clock = createVirtualWorldClock({ wallStartMs: 0 });
    const trace = createTrace({ now: () => clock.now() });
    const random = createSeededRandom("network");
    network = createSimNetwork({ clock, random, trace, latencyMs: LATENCY_MS, ...options });
    lives = { a: live(A, 1), b: live(B, 1) };
    taken = [];
    await serve(lives.b);
  }
  beforeEach(() => open());

  /** The outcome of a's connecting to b: its end of the session, or the error's code and reason. */
  async function dial(deadlineMs = 5_000): Promise<Ear | string> {
    let outcome: Ear | string | undefined;
    network
      .transportFor(lives.a)
      .connect(B, lives.a.clock.timeout(deadlineMs))
      .then(
        (session) => (outcome = listenTo(session)),
        (failure: unknown) =>
          (outcome = isQkdError(failure) ? `${failure.code}: ${String(failure.facts["reason"])}` : "?"),
      );
    await clock.runUntil(() => outcome !== undefined, 60_000);
    assert.ok(outcome !== undefined, "connecting never settled");
    return outcome;
  }
  async function connected(): Promise<{ readonly a: Ear; readonly b: Ear }> {
    const a = await dial();
    assert.ok(typeof a !== "string", "no session");
    return { a, b: taken.at(-1)! };
  }

  it("over a cut line no session can be opened, until it is healed", async () => {
    network.cut("a", "b");
    assert.equal(await dial(3_000), "PEER_UNREACHABLE: no answer within the deadline");
    network.heal("b", "a");
    await connected();
    network.cut("b", "a", { oneWay: true });
    assert.equal(await dial(3_000), "PEER_UNREACHABLE: no answer within the deadline");
  });

  it("who dials while the line is cut gets through when it is healed in time", async () => {
    network.cut("a", "b");
    clock.after(2_500, () => network.healAll());
    const ear = await dial(10_000);
    assert.ok(typeof ear !== "string" && clock.now() < 4_000);
  });

  it("a session over a cut line is silent, and goes on in order when it is healed", async () => {
    const { a, b } = await connected();
    network.cut("a", "b");
    for (let number = 0; number < 10; number++) a.session.send(beat(number));
    b.session.send(beat(99));
    await clock.run(10_000);
    assert.deepEqual([a.heard, b.heard], [[], []]);
    network.heal("a", "b");
    await clock.run(20_000);
    assert.deepEqual([a.heard, b.heard], [[99], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]]);
    assert.deepEqual([a.ends, b.ends], [[], []]);
  });

  it("a cut one way lets the other way pass", async () => {
    const { a, b } = await connected();
    network.cut("a", "b", { oneWay: true });
    a.session.send(beat(1));
    b.session.send(beat(2));
    await clock.run(1_000);
    assert.deepEqual([a.heard, b.heard], [[2], []]);
  });

  for (const [endSessionsAfterMs, when] of [
    [0, "at once"],
    [3_000, "after three seconds"],
  ] as const) {
    it(`sessions over a cut line end at both ends ${when}, and what was under way is lost`, async () => {
      const { a, b } = await connected();
      network.cut("a", "b", { endSessionsAfterMs });
      a.session.send(beat(1));
      await clock.run(endSessionsAfterMs - 0.001);
      assert.deepEqual([a.ends.length, b.ends.length], [0, 0]);
      await clock.run(10);
      assert.deepEqual([a.ends.length, b.ends.length], [1, 1]);
      network.heal("a", "b");
      await clock.run(1_000);
      assert.deepEqual(b.heard, []);
      assert.equal(network.sessions, 0);
    });
  }

  it("a broken session loses a last part of what was under way, and nothing comes twice", async () => {
    const { a, b } = await connected();
    for (let number = 0; number < 100; number++) a.session.send(beat(number));
    await clock.run(2);
    network.breakSession("b", "a");
    await clock.run(1_000);
    assert.ok(b.heard.length < 100);
    assert.deepEqual(
      b.heard,
      b.heard.map((_, at) => at),
    );
    assert.deepEqual([a.ends, b.ends], [["the session broke"], ["the session broke"]]);
    await connected();
  });

  it("the far end hears of a death after a while, the dead hear nothing, and the next life is another", async () => {
    const { a, b } = await connected();
    a.session.send(beat(1));
    lives.b.kill();
    assert.equal(b.session.send(beat(2)), false);
    b.session.close("the dead close nothing");
    await clock.run(10_000);
    assert.deepEqual([b.heard, b.ends], [[], []]);
    assert.deepEqual(a.ends, ["the other end is gone"]);
    assert.equal(await dial(), "PEER_UNREACHABLE: nobody listens there");
    await serve(live(B, 2));
    const next = await connected();
    next.a.session.send(beat(3));
    await clock.run(100);
    assert.deepEqual([b.heard, next.b.heard], [[], [3]]);
  });

  it("who dies while dialling is never answered, and leaves no session", async () => {
    let settled = false;
    const dialling = network.transportFor(lives.a).connect(B, lives.a.clock.timeout(1_000));
    void dialling.finally(() => (settled = true));
    await clock.runUntil(() => taken.length > 0, 1_000);
    lives.a.kill();
    await clock.run(20_000);
    assert.equal(settled, false);
    assert.equal(taken[0]!.ends.length, 1);
    assert.equal(network.sessions, 0);
  });

  it("taps see what was sent, also what never arrives; tampering changes what arrives", async () => {
    const { a, b } = await connected();
    const seen: string[] = [];
    network.tap((from, to, message) => seen.push(`${from}>${to} ${message.kind}`));
    network.tamper((_, __, message) => {
      if (message.kind !== "heartbeat") return message;
      const number = message.demandBytesPerSecond;
      return number === 1 ? undefined : number === 2 ? [beat(20), beat(21)] : beat(30);
    });
    for (const number of [1, 2, 3]) a.session.send(beat(number));
    await clock.run(100);
    network.tamper(undefined);
    a.session.send(beat(4));
    await clock.run(100);
    assert.deepEqual(b.heard, [20, 21, 30, 4]);
    assert.deepEqual(seen, new Array<string>(4).fill("a>b heartbeat"));
  });

  it("sessions break by themselves when asked to", async () => {
    await open({ sessionLifeMeanMs: 1_000 });
    const endedAfter: number[] = [];
    for (let i = 0; i < 30; i++) {
      const { a } = await connected();
      const since = clock.now();
      assert.ok(await clock.runUntil(() => a.ends.length > 0, 60_000));
      endedAfter.push(clock.now() - since);
    }
    const mean = endedAfter.reduce((sum, each) => sum + each, 0) / endedAfter.length;
    assert.ok(mean > 500 && mean < 2_000, `mean ${mean} ms`);
  });

  it("one serves once", async () => {
    await assert.rejects(serve(lives.b), (failure) => isQkdError(failure, "PORT_IN_USE"));
  });

  it("a message that no wire would take ends the session", async () => {
    const { a, b } = await connected();
    assert.equal(a.session.send({ kind: "frame", bytes: new Uint8Array(1_048_577) }), false);
    await clock.run(100);
    assert.deepEqual([a.ends.length, b.ends.length], [1, 1]);
  });
});
