/** The side of Kx that is called: takes TLS connections, and of their gRPC streams those of configured neighbours. */
import { type AddressInfo, type Socket } from "node:net";
import { type Server as TlsServer, createServer } from "node:tls";

import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerOptions,
  status,
} from "@grpc/grpc-js";

import { QkdError, sentenceOf } from "../model/errors.ts";
import type { NodeId } from "../model/ids.ts";
import type { Logger } from "../runtime/logger.ts";
import { MESSAGE_BYTES_MAX, reasonForWire } from "./grpc-peer-codec.ts";
import { type GrpcPeerSession, createGrpcPeerSession } from "./grpc-peer-session.ts";
import { type PeerTlsFiles, peerTlsOptions } from "./grpc-peer-tls.ts";
import { type PeerCertificateSeen, certificateSeen, nodeOfCertificate } from "./peer-identity.ts";

/** The method of proto/qkdn/kx/v1/kx.proto, with messages as byte strings: sessions encode and decode themselves. */
export const SESSION_METHOD = {
  path: "/qkdn.kx.v1.KeyExchange/Session",
  requestStream: true,
  responseStream: true,
  requestSerialize: (wire: Buffer): Buffer => wire,
  requestDeserialize: (wire: Buffer): Buffer => wire,
  responseSerialize: (wire: Buffer): Buffer => wire,
  responseDeserialize: (wire: Buffer): Buffer => wire,
} as const;

const HANDSHAKE_MS_MAX = 5_000;
const SESSIONS_PER_PEER_MAX = 4;
/** Connections beside those of neighbours' sessions: handshakes, and whoever will be refused. */
const SPARE_CONNECTIONS_MAX = 64;

const SERVER_OPTIONS: ServerOptions = {
  "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
  "grpc.max_send_message_length": MESSAGE_BYTES_MAX,
  "grpc.max_concurrent_streams": 1, // a connection is one session's
  "grpc.max_connection_idle_ms": 10_000, // without a stream
  "grpc.keepalive_time_ms": 10_000,
  "grpc.keepalive_timeout_ms": 5_000,
  "grpc-node.max_session_memory": 10, // MB
  "grpc.enable_channelz": 0,
};

export interface GrpcPeerServerParts {
  readonly listen: { readonly host: string; readonly port: number };
  /** Certificates that `peerSecureContext` has accepted. */
  readonly tls: PeerTlsFiles;
  readonly spiffeDomain: string;
  readonly peers: ReadonlyMap<NodeId, unknown>;
  readonly log: Logger;
  readonly refused: (address: string, reason: string) => void;
  /** Filled with what neighbours show. */
  readonly certificates: Map<NodeId, PeerCertificateSeen>;
}

export interface GrpcPeerServer {
  readonly port: number;
  /** @param tls  certificates that `peerSecureContext` has accepted */
  renewCertificates(tls: PeerTlsFiles): void;
  /** Takes nobody any more. */
  stopListening(): void;
  /** Ends all connections. Sessions are ended by their owner before. */
  close(): void;
}

type SessionStream = ServerDuplexStream<Buffer, Buffer>;

/**
 * Listens.
 *
 * TLS is ours, and grpc-js gets connections that have passed it (`createConnectionInjector`): its own listener cannot
 * be told the TLS version but for the whole process, hides why a handshake failed and which error kept it from
 * listening, and lets nobody end one connection or bound their number.
 *
 * @throws QkdError PORT_IN_USE     the address is taken
 * @throws QkdError CONFIG_INVALID  the address is none of this machine
 */
export async function openGrpcPeerServer(
  parts: GrpcPeerServerParts,
  accept: (session: GrpcPeerSession) => void,
): Promise<GrpcPeerServer> {
  const { log } = parts;
  const grpc = new Server(SERVER_OPTIONS);
  const connections = new Map<string, Socket>();
  const sessionsOf = new Map<NodeId, Set<GrpcPeerSession>>();

  const server = tlsServerFor(parts);
  const takeStream = (stream: SessionStream): void => {
    const socket = connections.get(stream.getPeer());
    let remote: NodeId;
    try {
      if (socket === undefined) throw new QkdError("PEER_REFUSED", "the connection is not one of ours");
      if (!server.listening) throw new QkdError("PEER_REFUSED", "this node is closing");
      remote = authenticate(stream, parts);
    } catch (failure) {
      parts.refused(socket?.remoteAddress ?? "", sentenceOf(failure));
      refuse(stream, sentenceOf(failure), log);
      return;
    }
    const sessions = sessionsOf.get(remote) ?? new Set();
    sessionsOf.set(remote, sessions);
    const [oldest] = sessions;
    // The oldest goes, not the newest: it may be what is left of a neighbour that has started anew.
    if (sessions.size >= SESSIONS_PER_PEER_MAX) oldest!.disconnected(`${remote} has opened newer sessions`);
    const session = sessionOver(stream, { remote, socket, log });
    sessions.add(session);
    void session.gone.then(() => sessions.delete(session));
    accept(session);
  };
  grpc.addService({ session: SESSION_METHOD }, { session: takeStream });
  // Credentials that are "insecure" say only that TLS is already done; `authenticate` refuses whatever came without.
  const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure());

  server.on("secureConnection", (socket) => {
    const from = `${socket.remoteAddress}:${socket.remotePort}`; // as `getPeer` names it
    connections.set(from, socket);
    socket.on("error", (failure: Error) => log.debug("peer connection failed", { from, reason: failure.message }));
    socket.once("close", () => connections.delete(from));
    injector.injectConnection(socket);
  });
  const port = await listening(server, parts.listen);
  return {
    port,
    renewCertificates: (tls) => server.setSecureContext(peerTlsOptions(tls)),
    stopListening: () => void server.close(),
    close: () => {
      injector.destroy();
      grpc.forceShutdown();
      for (const socket of connections.values()) socket.destroy();
    },
  };
}

function tlsServerFor({ tls, peers, log, refused }: GrpcPeerServerParts): TlsServer {
  const server = createServer({
    ...peerTlsOptions(tls),
    requestCert: true,
    rejectUnauthorized: true,
    ALPNProtocols: ["h2"],
    handshakeTimeout: HANDSHAKE_MS_MAX,
    noDelay: true,
  });
  server.maxConnections = SPARE_CONNECTIONS_MAX + peers.size * SESSIONS_PER_PEER_MAX;
  // Debug only: whoever reaches the port can cause it as often as they like.
  server.on("tlsClientError", (failure: Error, { remoteAddress, authorizationError }) => {
    // Typed as Error, but Node.js gives the code of what is wrong with the certificate.
    const reason = authorizationError ? String(authorizationError) : failure.message;
    log.debug("peer handshake failed", { from: remoteAddress, reason });
    refused(remoteAddress ?? "", reason);
  });
  return server;
}

function listening(server: TlsServer, listen: { readonly host: string; readonly port: number }): Promise<number> {
  return new Promise((resolve, reject) => {
    const refuse = (failure: NodeJS.ErrnoException): void => {
      const where = `${listen.host}:${listen.port}`;
      const isTaken = failure.code === "EADDRINUSE";
      const sentence = isTaken
        ? `another process listens on ${where}: end it, or choose another port for Kx (\`ss -ltnp\` shows who it is)`
        : `cannot listen on ${where} for Kx (${failure.message}): choose an address of this machine`;
      const facts = { host: listen.host, port: listen.port };
      reject(new QkdError(isTaken ? "PORT_IN_USE" : "CONFIG_INVALID", sentence, facts, failure));
    };
    server.once("error", refuse);
    server.listen(listen.port, listen.host, () => {
      server.off("error", refuse);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

/** Deny by default. @throws QkdError PEER_REFUSED */
function authenticate(stream: SessionStream, { spiffeDomain, peers, certificates }: GrpcPeerServerParts): NodeId {
  const certificate = stream.getAuthContext().sslPeerCertificate;
  if (certificate === undefined) throw new QkdError("PEER_REFUSED", "no certificate that TLS has verified");
  const remote = nodeOfCertificate(certificate.subjectaltname, spiffeDomain);
  if (!peers.has(remote)) throw new QkdError("PEER_REFUSED", `${remote} is no configured peer of this node`);
  certificates.set(remote, certificateSeen(certificate));
  return remote;
}

function refuse(stream: SessionStream, reason: string, log: Logger): void {
  log.warn("peer refused", { from: stream.getPeer(), reason });
  stream.on("error", () => undefined);
  stream.emit("error", { code: status.PERMISSION_DENIED, details: reasonForWire(reason) });
}

function sessionOver(
  stream: SessionStream,
  { remote, socket, log }: { readonly remote: NodeId; readonly socket: Socket; readonly log: Logger },
): GrpcPeerSession {
  const session = createGrpcPeerSession({ remote, stream, release: () => socket.destroy(), log });
  // gRPC emits "cancelled" also when it has sent our own last word: the connection is let go of a little later.
  stream.on("error", (failure) => session.lost(sentenceOf(failure)));
  stream.on("cancelled", () => session.lost(`the stream of ${remote} broke off`));
  stream.on("end", () => session.lost(`${remote} ended the stream without a word`));
  socket.once("close", () => session.disconnected(`the connection to ${remote} is lost`));
  stream.sendMetadata(new Metadata()); // tells the other end that it is accepted
  return session;
}
