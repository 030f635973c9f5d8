/** The server that SAEs talk to (reference point Ak): HTTP/1.1 over mutual TLS 1.3; the certificate says who is asking. */
import { constants } from "node:crypto";
import { type Server, createServer } from "node:https";
import type { TLSSocket } from "node:tls";

import type { ApiReply, SaeRequest } from "../api/api-request.ts";
import type { RefuseExchange } from "../api/exchange-problem.ts";
import { QkdError, sentenceOf } from "../model/errors.ts";
import type { SaeId } from "../model/ids.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Scope } from "../runtime/scope.ts";
import { saeOfCertificate } from "./certificate-identity.ts";
import { runExchange, sendReply } from "./http-exchange.ts";
import { HTTP_LIMITS, type HttpLimits, type ListenAddress, listenIn, serverOptions, urlOf } from "./http-listening.ts";

/** PEM texts: whose certificates are accepted, and what this server shows. */
export interface ServerTls {
  readonly ca: string | Buffer | (string | Buffer)[];
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
}

export interface SaeServerParts {
  readonly listen: ListenAddress;
  readonly tls: ServerTls;
  /** The SPIFFE trust domain of the network: SAEs are `spiffe://<domain>/sae/<id>`. */
  readonly identify: { readonly spiffeDomain: string };
  readonly handle: (request: SaeRequest, deadline: AbortSignal) => Promise<ApiReply>;
  readonly refuse: RefuseExchange;
  readonly log: Logger;
  /** Called when an SAE was gone before its key was written. */
  readonly replyLost?: (caller: SaeId) => void;
  /** Told of each caller that is turned away before a request of its is read. */
  readonly refused?: (address: string, reason: string) => void;
  readonly limits?: Partial<HttpLimits>;
}

export interface SaeServer {
  readonly port: number;
  readonly url: string;
  /** Shows and accepts other certificates from the next connection on. @throws QkdError CONFIG_INVALID, and nothing changes */
  renewTls(tls: ServerTls): void;
}

const HANDSHAKE_TIMEOUT_MS = 5000;
/** Hybrid post-quantum first; the classical curves for encryptors that do not know it. */
const KEY_EXCHANGES = "X25519MLKEM768:SecP384r1MLKEM1024:X25519:P-384:P-256";

/**
 * @throws QkdError PORT_IN_USE     another program has the port
 * @throws QkdError CONFIG_INVALID  the address is not ours, or the certificates do not fit
 */
export async function openSaeServer(parts: SaeServerParts, scope: Scope): Promise<SaeServer> {
  const limits = { ...HTTP_LIMITS, ...parts.limits };
  const server = createTlsServer(parts.tls, limits);
  const callers = new WeakMap<object, SaeId>();
  server.on("secureConnection", (socket: TLSSocket) => {
    const caller = identify(socket, parts);
    if (caller !== undefined) callers.set(socket, caller);
  });
  server.on("tlsClientError", refusedHandshakeLog(parts));
  const exchange = { refuse: parts.refuse, log: parts.log, closing: () => scope.signal.aborted };
  server.on("request", (message, response) => {
    const caller = callers.get(message.socket);
    if (caller === undefined) {
      response.shouldKeepAlive = false;
      sendReply(response, parts.refuse({ kind: "unidentified" }), { ...exchange, replyLost: () => undefined });
      return;
    }
    void runExchange(
      message,
      response,
      {
        ...exchange,
        handle: (request, deadline) => parts.handle({ ...request, caller }, deadline),
        replyLost: () => {
          parts.log.warn("reply lost, its key is spent", { sae: caller });
          parts.replyLost?.(caller);
        },
      },
      limits,
    );
  });
  const bound = await listenIn(server, parts, limits, scope);
  return { port: bound.port, url: urlOf("https", bound), renewTls: (tls) => renew(server, tls) };
}

function createTlsServer(tls: ServerTls, limits: HttpLimits): Server {
  try {
    return createServer({
      ...serverOptions(limits),
      ...tlsMaterial(tls),
      requestCert: true,
      rejectUnauthorized: true,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    });
  } catch (failure) {
    throw tlsError(failure);
  }
}

function renew(server: Server, tls: ServerTls): void {
  try {
    server.setSecureContext(tlsMaterial(tls));
  } catch (failure) {
    throw tlsError(failure);
  }
}

/** No tickets, so no session is resumed: each connection shows its certificate anew, and a withdrawn one is worth nothing. */
function tlsMaterial({ ca, cert, key }: ServerTls) {
  return {
    ca,
    cert,
    key,
    minVersion: "TLSv1.3",
    secureOptions: constants.SSL_OP_NO_TICKET,
    ecdhCurve: KEY_EXCHANGES,
  } as const;
}

function tlsError(failure: unknown): QkdError {
  return new QkdError(
    "CONFIG_INVALID",
    `the SAE server's CA, certificate and key do not fit together: ${sentenceOf(failure)}`,
    {},
    failure,
  );
}

/** Once per connection: reading a peer's certificate costs more than answering a request. */
function identify(socket: TLSSocket, { identify: { spiffeDomain }, log, refused }: SaeServerParts): SaeId | undefined {
  const { subjectaltname } = socket.getPeerCertificate();
  const caller = saeOfCertificate(subjectaltname, spiffeDomain);
  if (caller === undefined) {
    log.info("certificate names no SAE", { names: subjectaltname ?? "", address: socket.remoteAddress });
    refused?.(socket.remoteAddress ?? "", `the certificate names no SAE: ${subjectaltname ?? ""}`);
  }
  return caller;
}

const REFUSED_HANDSHAKES_LOGGED_PER_SECOND = 5;

/** An operator who attaches an encryptor needs the reason; a port scan must not fill the disk. */
function refusedHandshakeLog({ log, refused }: SaeServerParts): (failure: Error, socket: TLSSocket) => void {
  let second = 0;
  let inSecond = 0;
  return (failure, socket) => {
    const { code } = failure as NodeJS.ErrnoException;
    const untrusted = socket.authorizationError as unknown as string | undefined;
    const reason = untrusted ?? code ?? failure.message;
    refused?.(socket.remoteAddress ?? "", reason);
    const now = Math.floor(performance.now() / 1000);
    if (now !== second) inSecond = 0;
    second = now;
    inSecond += 1;
    if (inSecond > REFUSED_HANDSHAKES_LOGGED_PER_SECOND) return;
    log.info("TLS handshake refused", { reason, address: socket.remoteAddress });
  };
}
