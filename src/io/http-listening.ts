/** What a plain and an encrypted HTTP server have in common: bounds against slow and greedy senders, opening, closing. */
import type { Server, ServerOptions } from "node:http";
import type { AddressInfo, Socket } from "node:net";

import { QkdError, sentenceOf } from "../model/errors.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Scope } from "../runtime/scope.ts";

export interface ListenAddress {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
}

export interface HttpLimits {
  readonly bodyBytesMax: number;
  readonly connectionsMax: number;
  /** Until the last byte of the request's head, and of its body. */
  readonly headTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** Between two requests of a connection. */
  readonly keepAliveTimeoutMs: number;
  /** A reader that takes nothing for so long is cut off. */
  readonly stallTimeoutMs: number;
  readonly requestsPerConnectionMax: number;
  /** How long running requests may take to end when the scope closes. */
  readonly closeGraceMs: number;
}

export const HTTP_LIMITS: HttpLimits = {
  bodyBytesMax: 65_536,
  connectionsMax: 1024,
  headTimeoutMs: 5_000,
  requestTimeoutMs: 10_000,
  keepAliveTimeoutMs: 30_000,
  stallTimeoutMs: 30_000,
  requestsPerConnectionMax: 1000,
  closeGraceMs: 5_000,
};

const HEAD_BYTES_MAX = 8192;
const HEADERS_MAX = 32;
const CHECK_INTERVAL_MAX_MS = 1000;

export function serverOptions(limits: HttpLimits): ServerOptions {
  return {
    headersTimeout: Math.min(limits.headTimeoutMs, limits.requestTimeoutMs),
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    connectionsCheckingInterval: Math.min(CHECK_INTERVAL_MAX_MS, limits.requestTimeoutMs),
    maxHeaderSize: HEAD_BYTES_MAX,
    insecureHTTPParser: false,
    noDelay: true,
  };
}

/**
 * Opens `server` at `listen`; closing the scope stops accepting, lets running requests end, then cuts what is left.
 *
 * @returns the port that was bound
 * @throws QkdError PORT_IN_USE     another program has it; facts: `host`, `port`
 * @throws QkdError CONFIG_INVALID  the address is not ours, or needs rights that we do not have
 */
export async function listenIn(
  server: Server,
  { listen, log }: { readonly listen: ListenAddress; readonly log: Logger },
  limits: HttpLimits,
  scope: Scope,
): Promise<{ readonly port: number; readonly host: string }> {
  server.maxConnections = limits.connectionsMax;
  server.maxHeadersCount = HEADERS_MAX;
  server.maxRequestsPerSocket = limits.requestsPerConnectionMax;
  server.timeout = limits.stallTimeoutMs;
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen({ host: listen.host, port: listen.port }, resolve);
  try {
    await promise;
  } catch (failure) {
    throw listenError(failure, listen);
  }
  server.off("error", reject);
  // Too many open files, say: a connection is lost, the server is not.
  server.on("error", (failure) => log.warn("connection not accepted", { reason: sentenceOf(failure) }));
  scope.defer("HTTP server", () => closeGently(server, sockets, limits.closeGraceMs));
  return { port: (server.address() as AddressInfo).port, host: listen.host };
}

export function urlOf(scheme: "http" | "https", { host, port }: ListenAddress): string {
  return `${scheme}://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

async function closeGently(server: Server, sockets: ReadonlySet<Socket>, graceMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  server.closeIdleConnections();
  // Also those that are still shaking hands, which the server does not count as connections.
  const cut = setTimeout(() => {
    for (const socket of sockets) socket.destroy();
  }, graceMs);
  await promise;
  clearTimeout(cut);
}

function listenError(failure: unknown, { host, port }: ListenAddress): QkdError {
  const place = `${host}:${port}`;
  switch ((failure as NodeJS.ErrnoException).code) {
    case "EADDRINUSE":
      return new QkdError(
        "PORT_IN_USE",
        `${place} is in use; find by whom with: ss -ltnp 'sport = :${port}', or listen on another port`,
        { host, port },
        failure,
      );
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return new QkdError("CONFIG_INVALID", `${host} is no address of this machine`, { host, port }, failure);
    case "EACCES":
      return new QkdError(
        "CONFIG_INVALID",
        `${place} needs the right to bind ports below 1024 (CAP_NET_BIND_SERVICE); take a higher port`,
        { host, port },
        failure,
      );
    default:
      return new QkdError(
        "CONFIG_INVALID",
        `cannot listen on ${place}: ${sentenceOf(failure)}`,
        { host, port },
        failure,
      );
  }
}
