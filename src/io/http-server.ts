/** A plain HTTP server for the operator: it belongs on loopback or a management network, never where SAEs are. */
import { createServer } from "node:http";

import type { ApiReply, ApiRequest } from "../api/api-request.ts";
import type { RefuseExchange } from "../api/exchange-problem.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Scope } from "../runtime/scope.ts";
import { runExchange } from "./http-exchange.ts";
import { HTTP_LIMITS, type HttpLimits, type ListenAddress, listenIn, serverOptions, urlOf } from "./http-listening.ts";

export interface HttpServerParts {
  readonly listen: ListenAddress;
  readonly handle: (request: ApiRequest, deadline: AbortSignal) => Promise<ApiReply>;
  readonly refuse: RefuseExchange;
  readonly log: Logger;
  readonly limits?: Partial<HttpLimits>;
}

/** @throws QkdError PORT_IN_USE, CONFIG_INVALID  the address cannot be had */
export async function openHttpServer(
  parts: HttpServerParts,
  scope: Scope,
): Promise<{ readonly port: number; readonly url: string }> {
  const limits = { ...HTTP_LIMITS, ...parts.limits };
  const server = createServer(serverOptions(limits));
  const exchange = {
    handle: parts.handle,
    refuse: parts.refuse,
    log: parts.log,
    closing: () => scope.signal.aborted,
    replyLost: () => undefined,
  };
  server.on("request", (message, response) => void runExchange(message, response, exchange, limits));
  const bound = await listenIn(server, parts, limits, scope);
  return { port: bound.port, url: urlOf("http", bound) };
}
