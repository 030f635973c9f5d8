/** What every implementation of `PeerTransport` promises: the laws of src/peer/peer-transport.ts, as a suite. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";

import { isQkdError } from "../../src/model/errors.ts";
import { type NodeId, parseNodeId } from "../../src/model/ids.ts";
import type { Frame, PeerMessage } from "../../src/peer/peer-messages.ts";
import { type PeerSession, type PeerTransport, SESSION_QUEUE_BYTES_MAX } from "../../src/peer/peer-transport.ts";
import type { Scope } from "../../src/runtime/scope.ts";
import { oneOfEachKind } from "../fakes/one-of-each-message.ts";

/** Two nodes that are neighbours, `a` and `b`, on a network where things can be asked to go wrong. */
export interface PeerTransportRig {
  readonly a: PeerTransport;
  readonly b: PeerTransport;
  /** `b` serves in this scope. */
  readonly scope: Scope;
  /** A node that `a` knows, and where nobody listens. */
  readonly nobody: NodeId;
  /** A node that `a` knows, and where a node with a certificate that is not its own listens and serves. */
  readonly impostor: NodeId;
  /** A signal that aborts after a while. */
  deadline(durationMs: number): AbortSignal;
  /** Lets the network work until the promise settles. */
  settled<Value>(promise: Promise<Value>): Promise<Value>;
  /** Lets the network work until the condition holds; throws when it does not for ten seconds. */
  until(condition: () => boolean): Promise<void>;
  /** Lets the network work for a while. */
  pass(durationMs: number): Promise<void>;
  close(): Promise<void>;
}

const A = parseNodeId("a");
const B = parseNodeId("b");
const DEADLINE_MS = 5_000;

/** What one end of a session was told, in order. */
interface Ear {
  readonly heard: PeerMessage[];
  readonly ends: string[];
  /** Messages that came after the end. */
  late: number;
}

function listenTo(session: PeerSession): Ear {
  const ear: Ear = { heard: [], ends: [], late: 0 };
  session.listen({
    message: (message) => {
      if (ear.ends.length > 0) ear.late += 1;
      ear.heard.push(message);
    },
    ended: (reason) => ear.ends.push(reason),
  });
  return ear;
}

const numbered = (number: number): PeerMessage => ({ kind: "heartbeat", demandBytesPerSecond: number });
const numbersOf = (messages: readonly PeerMessage[]): readonly number[] =>
  messages.map((message) => (message.kind === "heartbeat" ? message.demandBytesPerSecond : -1));
const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i);

export function describePeerTransport(name: string, openRig: () => Promise<PeerTransportRig>): void {
  describe(`peer transport: ${name}`, () => {
    let rig: PeerTransportRig;
    let accepted: PeerSession[];
    let onAccept: ((session: PeerSession) => void) | undefined;

    beforeEach(async () => {
      rig = await openRig();
      accepted = [];
      onAccept = undefined;
      const take = (session: PeerSession): void => {
        accepted.push(session);
        onAccept?.(session);
      };
      await rig.settled(rig.b.serve(take, rig.scope));
    });
    afterEach(() => rig.close());

    /** A session, from both its ends. */
    async function connected(): Promise<{ readonly dialled: PeerSession; readonly taken: PeerSession }> {
      const before = accepted.length;
      const dialled = await rig.settled(rig.a.connect(B, rig.deadline(DEADLINE_MS)));
      await rig.until(() => accepted.length > before);
      return { dialled, taken: accepted[before]! };
    }

    const refusedWith = (code: "PEER_UNREACHABLE" | "PEER_REFUSED") => (failure: unknown) => isQkdError(failure, code);

    it("both ends know who the other is", async () => {
      const { dialled, taken } = await connected();
      assert.equal(dialled.remote, B);
      assert.equal(taken.remote, A);
    });

    it("messages arrive in order, each once, both ways", async () => {
      const { dialled, taken } = await connected();
      const ears = { a: listenTo(dialled), b: listenTo(taken) };
      for (const number of upTo(500)) {
        assert.ok(dialled.send(numbered(number)));
        assert.ok(taken.send(numbered(number)));
        if (number % 100 === 0) await rig.pass(1);
      }
      await rig.until(() => ears.a.heard.length >= 500 && ears.b.heard.length >= 500);
      await rig.pass(20);
      assert.deepEqual(numbersOf(ears.a.heard), upTo(500));
      assert.deepEqual(numbersOf(ears.b.heard), upTo(500));
      assert.deepEqual([ears.a.ends, ears.b.ends], [[], []]);
    });

    it("every kind of message arrives as it was sent", async () => {
      const { dialled, taken } = await connected();
      const ear = listenTo(taken);
      for (const message of oneOfEachKind) assert.ok(dialled.send(message), message.kind);
      await rig.until(() => ear.heard.length === oneOfEachKind.length);
      assert.deepEqual(ear.heard, oneOfEachKind);
    });

    it("a message belongs to its sender again when send returns", async () => {
      const { dialled, taken } = await connected();
      const ear = listenTo(taken);
      const bytes = new Uint8Array(1000).fill(7);
      dialled.send({ kind: "frame", bytes });
      bytes.fill(0);
      await rig.until(() => ear.heard.length === 1);
      assert.deepEqual(ear.heard, [{ kind: "frame", bytes: new Uint8Array(1000).fill(7) }]);
    });

    it("messages wait for a listener that comes late", async () => {
      const { dialled, taken } = await connected();
      for (const number of upTo(50)) dialled.send(numbered(number));
      await rig.pass(50);
      const ear = listenTo(taken);
      assert.equal(ear.heard.length, 0, "nothing is delivered within listen");
      await rig.until(() => ear.heard.length === 50);
      assert.deepEqual(numbersOf(ear.heard), upTo(50));
    });

    for (const closer of ["the end that dialled", "the end that was called"]) {
      it(`${closer} closes: both ends are told once, last, and why`, async () => {
        const { dialled, taken } = await connected();
        const [near, far] = closer === "the end that dialled" ? [dialled, taken] : [taken, dialled];
        const ears = { near: listenTo(near), far: listenTo(far) };
        far.send(numbered(1));
        near.close("going to lunch");
        near.close("again");
        assert.equal(near.send(numbered(2)), false, "nothing can be sent after close");
        assert.deepEqual(ears.near.ends, [], "nobody is told within close");
        await rig.until(() => ears.near.ends.length > 0 && ears.far.ends.length > 0);
        await rig.pass(50);
        assert.equal(far.send(numbered(3)), false);
        far.close("too late");
        await rig.pass(20);
        assert.match(ears.near.ends.join(), /^[^,]*going to lunch$/);
        assert.match(ears.far.ends.join(), /^[^,]*going to lunch$/);
        assert.equal(ears.near.late + ears.far.late, 0);
      });
    }

    it("both ends close at once: each is told once", async () => {
      const { dialled, taken } = await connected();
      const ears = [listenTo(dialled), listenTo(taken)];
      dialled.close("first");
      taken.close("second");
      await rig.until(() => ears.every(({ ends }) => ends.length > 0));
      await rig.pass(50);
      assert.deepEqual(
        ears.map(({ ends }) => ends.length),
        [1, 1],
      );
    });

    it("a session that is closed as soon as it is taken ends at both ends, or never begins", async () => {
      const ears: Ear[] = [];
      onAccept = (session) => {
        ears.push(listenTo(session));
        session.close("not now");
      };
      try {
        ears.push(listenTo(await rig.settled(rig.a.connect(B, rig.deadline(DEADLINE_MS)))));
      } catch (failure) {
        assert.ok(refusedWith("PEER_UNREACHABLE")(failure));
      }
      await rig.until(() => ears.length > 0 && ears.every(({ ends }) => ends.length === 1));
    });

    it("whoever listens after the end is told of it", async () => {
      const { dialled, taken } = await connected();
      const near = listenTo(dialled);
      dialled.close("over");
      await rig.until(() => near.ends.length > 0 && !taken.send(numbered(1)));
      const ear = listenTo(taken);
      await rig.until(() => ear.ends.length > 0);
      assert.equal(ear.ends.length, 1);
    });

    it("send refuses when the line is full, takes again when it has drained, and delivers what it took", async () => {
      const { dialled, taken } = await connected();
      const frame = (number: number): Frame => ({ kind: "frame", bytes: new Uint8Array(65_536).fill(number) });
      let taking = 0;
      while (taking < 1_000 && dialled.send(frame(taking % 256))) taking += 1;
      assert.ok(taking * 65_536 <= SESSION_QUEUE_BYTES_MAX, `${taking} frames are more than the line may hold`);
      assert.ok(taking * 65_536 >= SESSION_QUEUE_BYTES_MAX / 2, `${taking} frames are less than the line should hold`);
      const ear = listenTo(taken);
      await rig.until(() => ear.heard.length === taking);
      await rig.until(() => dialled.send(frame(255)));
      await rig.until(() => ear.heard.length === taking + 1);
      assert.deepEqual(ear.heard, [...upTo(taking).map((number) => frame(number % 256)), frame(255)]);
      assert.deepEqual(ear.ends, []);
    });

    it("a new session never delivers what was sent on an older one", async () => {
      const old = await connected();
      for (const number of upTo(100)) old.dialled.send(numbered(1_000 + number));
      old.dialled.close("anew");
      const { dialled, taken } = await connected();
      const ear = listenTo(taken);
      dialled.send(numbered(7));
      await rig.until(() => ear.heard.length > 0);
      await rig.pass(50);
      assert.deepEqual(numbersOf(ear.heard), [7]);
    });

    it("two sessions at a time do not know each other", async () => {
      const [first, second] = [await connected(), await connected()];
      const ears = [listenTo(first.taken), listenTo(second.taken)];
      first.dialled.close("one of two");
      second.dialled.send(numbered(2));
      await rig.until(() => ears[0]!.ends.length > 0 && ears[1]!.heard.length > 0);
      assert.deepEqual(ears[1]!.ends, []);
    });

    it("where nobody listens, nobody is reached, and the error says so", async () => {
      const failed = rig.settled(rig.a.connect(rig.nobody, rig.deadline(DEADLINE_MS)));
      await assert.rejects(failed, (failure) => {
        assert.ok(isQkdError(failure, "PEER_UNREACHABLE"));
        assert.equal(typeof failure.facts["reason"], "string");
        return true;
      });
    });

    it("a deadline that is over fails", async () => {
      const failed = rig.settled(rig.a.connect(B, AbortSignal.abort()));
      await assert.rejects(failed, refusedWith("PEER_UNREACHABLE"));
    });

    it("a node in another's place is refused", async () => {
      const failed = rig.settled(rig.a.connect(rig.impostor, rig.deadline(DEADLINE_MS)));
      await assert.rejects(failed, refusedWith("PEER_REFUSED"));
    });

    it("closing the scope ends the sessions at both ends, and nobody is served any more", async () => {
      const { dialled, taken } = await connected();
      const ears = [listenTo(dialled), listenTo(taken)];
      await rig.settled(rig.scope.close());
      await rig.until(() => ears.every(({ ends }) => ends.length > 0));
      assert.deepEqual(
        ears.map(({ ends }) => ends.length),
        [1, 1],
      );
      const failed = rig.settled(rig.a.connect(B, rig.deadline(DEADLINE_MS)));
      await assert.rejects(failed, refusedWith("PEER_UNREACHABLE"));
    });
  });
}
