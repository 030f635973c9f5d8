/** Sessions with other nodes over gRPC and mutual TLS (reference point Kx): the port `PeerTransport` on a real network. */
import type { PeerCertificate, SecureContext } from "node:tls";

import {
  type ChannelOptions,
  Client,
  type ClientDuplexStream,
  Metadata,
  type ServiceError,
  status,
} from "@grpc/grpc-js";

import { QkdError, sentenceOf } from "../model/errors.ts";
import type { NodeId } from "../model/ids.ts";
import type { PeerSession, PeerTransport } from "../peer/peer-transport.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Scope } from "../runtime/scope.ts";
import { MESSAGE_BYTES_MAX } from "./grpc-peer-codec.ts";
import { type GrpcPeerServer, SESSION_METHOD, openGrpcPeerServer } from "./grpc-peer-server.ts";
import { type GrpcPeerSession, createGrpcPeerSession } from "./grpc-peer-session.ts";
import { PeerChannelCredentials, type PeerTlsFiles, type TlsRefusal, peerSecureContext } from "./grpc-peer-tls.ts";
import {
  type PeerCertificateSeen,
  SPIFFE_DOMAIN_DEFAULT,
  certificateSeen,
  nodeOfCertificate,
} from "./peer-identity.ts";

export interface GrpcPeerTransportParts {
  readonly self: NodeId;
  /** Port 0 takes a free one. */
  readonly listen: { readonly host: string; readonly port: number };
  /** Who may call us, and where we call them: "host:port". */
  readonly peers: ReadonlyMap<NodeId, string>;
  readonly tls: PeerTlsFiles;
  readonly spiffeDomain?: string;
  readonly log: Logger;
  /** Told of each caller that is turned away. */
  readonly refused?: (address: string, reason: string) => void;
}

export interface GrpcPeerTransport extends PeerTransport {
  /** The port that `serve` listens on; undefined before. */
  readonly port: number | undefined;
  /**
   * Takes other certificates, say newer ones of the same node. Sessions that there are go on with the old ones.
   *
   * @throws QkdError CONFIG_INVALID  they cannot be used; the old ones stay
   */
  renewCertificates(tls: PeerTlsFiles): void;
  /** What each neighbour has shown at its last connection. */
  peerCertificates(): ReadonlyMap<NodeId, PeerCertificateSeen>;
}

/** One channel serves one session and is closed with it; who reconnects, and when, is decided above. */
const CHANNEL_OPTIONS: ChannelOptions = {
  "grpc.use_local_subchannel_pool": 1,
  "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
  "grpc.max_send_message_length": MESSAGE_BYTES_MAX,
  "grpc.keepalive_time_ms": 10_000,
  "grpc.keepalive_timeout_ms": 5_000,
  "grpc.initial_reconnect_backoff_ms": 1_000,
  "grpc.max_reconnect_backoff_ms": 10_000,
  "grpc.enable_retries": 0,
  // grpc-js 1.14.7 keeps messages for a retry also where there is none: it then calls a write done that nobody took,
  // which would make the count of queued bytes a lie, and copies its list of messages for each of them.
  "grpc.per_rpc_retry_buffer_size": 0,
  "grpc.enable_http_proxy": 0,
  "grpc.service_config_disable_resolution": 1,
  "grpc-node.max_session_memory": 10, // MB
  "grpc-node.flow_control_window": MESSAGE_BYTES_MAX,
  "grpc.enable_channelz": 0,
};

/** @throws QkdError CONFIG_INVALID  the certificates cannot be used */
export function createGrpcPeerTransport(parts: GrpcPeerTransportParts): GrpcPeerTransport {
  return new ChannelTransport(parts);
}

type SessionCall = ClientDuplexStream<Buffer, Buffer>;

class ChannelTransport implements GrpcPeerTransport {
  readonly #parts: GrpcPeerTransportParts;
  readonly #spiffeDomain: string;
  #secureContext: SecureContext;
  #tls: PeerTlsFiles;
  readonly #sessions = new Set<GrpcPeerSession>();
  readonly #closing = new AbortController();
  readonly #certificates = new Map<NodeId, PeerCertificateSeen>();
  #server: GrpcPeerServer | undefined;

  constructor(parts: GrpcPeerTransportParts) {
    this.#parts = parts;
    this.#spiffeDomain = parts.spiffeDomain ?? SPIFFE_DOMAIN_DEFAULT;
    this.#tls = parts.tls;
    this.#secureContext = peerSecureContext(parts.tls);
  }

  get port(): number | undefined {
    return this.#server?.port;
  }

  renewCertificates(tls: PeerTlsFiles): void {
    this.#secureContext = peerSecureContext(tls);
    this.#tls = tls;
    this.#server?.renewCertificates(tls);
  }

  peerCertificates(): ReadonlyMap<NodeId, PeerCertificateSeen> {
    return this.#certificates;
  }

  async serve(accept: (session: PeerSession) => void, scope: Scope): Promise<void> {
    const { listen, peers, log, refused = () => undefined } = this.#parts;
    const certificates = this.#certificates;
    const parts = { listen, tls: this.#tls, peers, log, refused, certificates, spiffeDomain: this.#spiffeDomain };
    const server = await openGrpcPeerServer(parts, (session) => {
      this.#watch(session);
      accept(session);
    });
    this.#server = server;
    try {
      scope.defer("peer transport", () => this.#close(server));
    } catch (failure) {
      await this.#close(server); // the scope closed meanwhile
      throw failure;
    }
    log.info("listening for peers", { host: listen.host, port: server.port });
  }

  async connect(remote: NodeId, deadline: AbortSignal): Promise<PeerSession> {
    const address = this.#parts.peers.get(remote);
    if (address === undefined) {
      throw new QkdError("PEER_UNREACHABLE", `no address is configured for ${remote}`, { remote });
    }
    const stop = AbortSignal.any([deadline, this.#closing.signal]);
    const refusals: TlsRefusal[] = [];
    if (stop.aborted) throw connectFailure(stop.reason, { remote, address, refusals, stop });
    const client = new Client(`dns:${address}`, this.#credentialsFor(remote, refusals), CHANNEL_OPTIONS);
    const { path, requestSerialize, responseDeserialize } = SESSION_METHOD;
    const call: SessionCall = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, new Metadata());
    // Before the call is accepted: its end may come in the same turn of the event loop.
    const session = this.#watch(sessionOver(call, { remote, client, log: this.#parts.log }));
    try {
      await accepted(call, stop);
    } catch (failure) {
      session.disconnected("never accepted");
      throw connectFailure(failure, { remote, address, refusals, stop });
    }
    return session;
  }

  /** Credentials that accept the certificate of `remote` only, and note in `refusals` what either end had against the other. */
  #credentialsFor(remote: NodeId, refusals: TlsRefusal[]): PeerChannelCredentials {
    const checkServerIdentity = (_host: string, certificate: PeerCertificate): Error | undefined => {
      try {
        const named = nodeOfCertificate(certificate.subjectaltname, this.#spiffeDomain);
        if (named === remote) this.#certificates.set(remote, certificateSeen(certificate));
        if (named === remote) return undefined;
        return new QkdError("PEER_REFUSED", `the certificate is the one of ${named}`, { named });
      } catch (failure) {
        return failure as QkdError;
      }
    };
    return new PeerChannelCredentials({
      options: {
        secureContext: this.#secureContext,
        ALPNProtocols: ["h2"],
        rejectUnauthorized: true, // whatever the environment says
        servername: "", // no name in the clear: the certificate is asked for the node id, not for a host
        checkServerIdentity,
      },
      refused: (refusal) => refusals.push(refusal),
    });
  }

  /** Ends all sessions, those that we opened too. */
  async #close(server: GrpcPeerServer): Promise<void> {
    server.stopListening();
    this.#closing.abort(new QkdError("CANCELLED", `${this.#parts.self} is closing`));
    const sessions = [...this.#sessions];
    for (const session of sessions) session.close(`${this.#parts.self} is closing`);
    await Promise.all(sessions.map((session) => session.gone));
    server.close();
  }

  #watch(session: GrpcPeerSession): GrpcPeerSession {
    this.#sessions.add(session);
    void session.gone.then(() => this.#sessions.delete(session));
    return session;
  }
}

/** Settles when the other end has accepted the stream, or will not. */
function accepted(call: SessionCall, stop: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(stop.reason as Error);
    const settled = (settle: () => void): void => {
      stop.removeEventListener("abort", abort);
      settle();
    };
    stop.addEventListener("abort", abort, { once: true });
    call.once("metadata", () => settled(resolve));
    call.once("error", (failure) => settled(() => reject(failure)));
    call.once("status", ({ details }) => settled(() => reject(new Error(details))));
  });
}

function sessionOver(
  call: SessionCall,
  { remote, client, log }: { readonly remote: NodeId; readonly client: Client; readonly log: Logger },
): GrpcPeerSession {
  const release = (): void => {
    call.cancel();
    client.close();
  };
  const session = createGrpcPeerSession({ remote, stream: call, release, log });
  call.on("error", () => undefined); // "status" tells it too, but without a listener it would end the process
  call.on("status", ({ code, details }) => {
    session.disconnected(
      code === status.OK
        ? `${remote} ended the stream without a word`
        : `the connection to ${remote} is lost: ${details}`,
    );
  });
  return session;
}

interface ConnectFacts {
  readonly remote: NodeId;
  readonly address: string;
  readonly refusals: readonly TlsRefusal[];
  readonly stop: AbortSignal;
}

/** What TLS and gRPC say, in our two words: refused (by either end) or unreachable. */
function connectFailure(failure: unknown, { remote, address, refusals, stop }: ConnectFacts): QkdError {
  const error = (code: "PEER_REFUSED" | "PEER_UNREACHABLE", reason: string, cause: unknown): QkdError =>
    new QkdError(code, `no session with ${remote} (${address}): ${reason}`, { remote, address, reason }, cause);

  if (stop.aborted) return error("PEER_UNREACHABLE", `given up: ${sentenceOf(stop.reason)}`, failure);
  const [refusal] = refusals;
  if (refusal !== undefined) return error("PEER_REFUSED", refusal.message, refusal);
  const { code, details = sentenceOf(failure) } = failure as Partial<ServiceError>;
  if (code === status.PERMISSION_DENIED) return error("PEER_REFUSED", details, failure);
  return error("PEER_UNREACHABLE", plainReason(details), failure);
}

/** The part of gRPC's sentence that says what happened. */
function plainReason(details: string): string {
  const lastError = /Last error: (?:Error: )?(.*?)(?: \(\d{4}-[^)]*\))?\. Resolution note:/s.exec(details);
  return lastError?.[1] ?? details;
}
