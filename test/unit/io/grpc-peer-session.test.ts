/** A session over a stream that takes and gives when the test says so. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { type Envelope, MESSAGE_BYTES_MAX, decodeEnvelope, encodeEnvelope } from "../../../src/io/grpc-peer-codec.ts";
import { GOODBYE_MS, type MessageStream, createGrpcPeerSession } from "../../../src/io/grpc-peer-session.ts";
import { type QkdKeyId, parseNodeId } from "../../../src/model/ids.ts";
import type { PeerMessage } from "../../../src/peer/peer-messages.ts";
import { SESSION_QUEUE_BYTES_MAX } from "../../../src/peer/peer-transport.ts";
import { createRecordingLogger } from "../../fakes/recording-logger.ts";

interface Written {
  readonly wire: Buffer;
  readonly taken: () => void;
}

function openSession() {
  const written: Written[] = [];
  let receive: ((wire: Buffer) => void) | undefined;
  let ended = false;
  let released = 0;
  const stream: MessageStream = {
    on: (_event, listener) => (receive = listener),
    write: (wire, taken) => written.push({ wire, taken }),
    end: () => (ended = true),
    resume: () => undefined,
  };
  const log = createRecordingLogger();
  const session = createGrpcPeerSession({ remote: parseNodeId("b"), stream, release: () => (released += 1), log });
  const heard: PeerMessage[] = [];
  const ends: string[] = [];
  return {
    session,
    written,
    heard,
    ends,
    said: () => written.map(({ wire }) => decodeEnvelope(wire)),
    listen: () => session.listen({ message: (message) => heard.push(message), ended: (reason) => ends.push(reason) }),
    give: (envelope: Envelope) => receive!(encodeEnvelope(envelope)),
    giveBytes: (wire: Buffer) => receive!(wire),
    isEnded: () => ended,
    released: () => released,
  };
}

const heartbeat: PeerMessage = { kind: "heartbeat", demandBytesPerSecond: 1 };
const frame = (length: number): PeerMessage => ({ kind: "frame", bytes: new Uint8Array(length) });
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("a session over a gRPC stream", () => {
  it("counts what the network has not taken, byte for byte", () => {
    const { session, written } = openSession();
    const size = encodeEnvelope(frame(65_536)).length;
    const fitting = Math.floor(SESSION_QUEUE_BYTES_MAX / size);
    for (let i = 0; i < fitting; i++) assert.equal(session.send(frame(65_536)), true);
    assert.equal(session.send(frame(65_536)), false);
    assert.equal(written.length, fitting);
    assert.equal(session.send(heartbeat), true, "a smaller one still fits");
    written[0]!.taken();
    assert.equal(session.send(frame(65_536)), true);
    assert.equal(session.send(frame(65_536)), false);
  });

  it("reads nothing before there is a listener, and takes one only", () => {
    const { session, listen, give, heard } = openSession();
    assert.throws(() => give(heartbeat));
    listen();
    give(heartbeat);
    assert.deepEqual(heard, [heartbeat]);
    assert.throws(() => session.listen({ message: () => undefined, ended: () => undefined }), /one listener/);
  });

  it("says why it closes, ends the stream, and lets go when the other end does not", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const { session, listen, said, isEnded, released, ends } = openSession();
    listen();
    session.close("lunch \u2013 back soon");
    assert.deepEqual(said(), [{ kind: "session-ending", reason: "lunch ? back soon" }]);
    assert.ok(isEnded());
    assert.equal(released(), 0);
    t.mock.timers.tick(GOODBYE_MS);
    assert.equal(released(), 1);
    await session.gone;
    assert.deepEqual(ends, ["lunch \u2013 back soon"]);
    session.disconnected("late news");
    assert.equal(released(), 1);
    assert.equal(ends.length, 1);
  });

  it("hears no message after the other end's goodbye", async () => {
    const { session, listen, give, heard, ends } = openSession();
    listen();
    give({ kind: "session-ending", reason: "draining" });
    give(heartbeat);
    session.disconnected("the connection closed");
    await nextTurn();
    assert.deepEqual(heard, []);
    assert.deepEqual(ends, ["b ended the session: draining"]);
    assert.equal(session.send(heartbeat), false);
  });

  it("ends when it hears what is no message, and says so to both sides", async () => {
    const { session, listen, giveBytes, said, ends } = openSession();
    listen();
    giveBytes(Buffer.from("nonsense"));
    await nextTurn();
    assert.match(ends.join(), /^b sent what is no message: malformed envelope/);
    assert.equal(said().at(-1)!.kind, "session-ending");
    session.disconnected("");
  });

  it("ends rather than send a message that no neighbour would take", async () => {
    const { session, listen, ends } = openSession();
    listen();
    const missing = Array.from({ length: 40_000 }, () => "ab".repeat(32) as QkdKeyId);
    const segment = "0000000100000001" as never;
    assert.equal(session.send({ kind: "disagreement", segment, reason: "missing", missing }), false);
    await nextTurn();
    assert.match(ends.join(), new RegExp(`more than a message may have \\(${MESSAGE_BYTES_MAX}\\)`));
    session.disconnected("");
  });
});
