/** Relay frames over a session between nodes against the same bytes over TLS alone: what gRPC costs. */
import { once } from "node:events";
import { connect, createServer, type TLSSocket } from "node:tls";
import { randomBytes } from "node:crypto";
import { createDemoAuthority, peerLeaf } from "../../src/demo/demo-certificates.ts";
import { createGrpcPeerTransport } from "../../src/io/grpc-peer-transport.ts";
import { createJsonLogger } from "../../src/io/json-logger.ts";
import { parseNodeId } from "../../src/model/ids.ts";
import type { PeerSession } from "../../src/peer/peer-transport.ts";
import { openScope, type Scope } from "../../src/runtime/scope.ts";
import type { Scenario } from "../scenario.ts";
import { contest, type Contender } from "./contest.ts";

const FRAME_BYTES = 60_000;
/** Under way before one waits for them: as much as a session queues. */
const FRAMES = 16;
const HOST = "127.0.0.1";
const CONNECT_MS_MAX = 10_000;

export const grpcFramesRatio: Scenario = {
  name: "grpc-frames",
  about: "relay frames of 60,000 bytes over gRPC and mutual TLS against mutual TLS alone, both ends in one process",
  async measure(options, book) {
    const scope = openScope("bench of sessions", createJsonLogger({ level: "silent", destination: 2 }));
    try {
      const ours = await framesOverGrpc(scope);
      const theirs = await framesOverTls(scope);
      await contest("gRPC session against TLS alone", { ours, theirs }, options, book);
    } finally {
      await scope.close();
    }
  },
};

async function framesOverGrpc(scope: Scope): Promise<Contender> {
  const log = createJsonLogger({ level: "silent", destination: 2 });
  const [a, b] = [parseNodeId("a"), parseNodeId("b")];
  const authority = await createDemoAuthority("bench: nodes");
  const listen = { host: HOST, port: 0 };
  const tlsOf = async (node: typeof a) => ({ ca: authority.ca, ...(await authority.issue(peerLeaf(node))) });
  const caller = new Map([[a, `${HOST}:0`]]); // nobody calls back
  const server = createGrpcPeerTransport({ self: b, listen, peers: caller, tls: await tlsOf(b), log });
  const accepted = Promise.withResolvers<PeerSession>();
  await server.serve((session) => {
    let received = 0;
    session.listen({
      // One small message back for each batch, as answers of a relay come back.
      message: () => {
        received += 1;
        if (received % FRAMES === 0) session.send({ kind: "heartbeat", demandBytesPerSecond: 0 });
      },
      ended: () => undefined,
    });
    accepted.resolve(session);
  }, scope);
  const peers = new Map([[b, `${HOST}:${server.port}`]]);
  const client = createGrpcPeerTransport({ self: a, listen, peers, tls: await tlsOf(a), log });
  await client.serve(() => undefined, scope);
  const session = await client.connect(b, AbortSignal.timeout(CONNECT_MS_MAX));
  let answered: () => void = () => undefined;
  session.listen({ message: () => answered(), ended: () => undefined });
  const bytes = randomBytes(FRAME_BYTES);
  return async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    answered = resolve;
    for (let i = 0; i < FRAMES; i++) {
      if (!session.send({ kind: "frame", bytes })) throw new Error("the session takes no more");
    }
    await promise;
    return FRAMES * FRAME_BYTES;
  };
}

async function framesOverTls(scope: Scope): Promise<Contender> {
  const authority = await createDemoAuthority("bench: nodes");
  const tls = {
    ca: authority.ca,
    ...(await authority.issue(peerLeaf(parseNodeId("a")))),
    minVersion: "TLSv1.3",
  } as const;
  const server = createServer({ ...tls, requestCert: true }, (socket) => {
    let received = 0;
    socket.on("data", (piece: Buffer) => {
      received += piece.length;
      for (; received >= FRAMES * FRAME_BYTES; received -= FRAMES * FRAME_BYTES) socket.write("answered");
    });
  });
  await once(server.listen(0, HOST), "listening");
  const { port } = server.address() as { port: number };
  const socket: TLSSocket = connect({ ...tls, host: HOST, port, checkServerIdentity: () => undefined });
  scope.defer("TLS server", () => void server.close());
  scope.defer("TLS client", () => void socket.destroy());
  await once(socket, "secureConnect");
  const bytes = randomBytes(FRAME_BYTES);
  return async () => {
    for (let i = 0; i < FRAMES; i++) socket.write(bytes);
    await once(socket, "data");
    return FRAMES * FRAME_BYTES;
  };
}
