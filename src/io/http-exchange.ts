/** One HTTP exchange between Node.js and a face of ours: reads the request within bounds, writes the reply, erases it. */
import type { IncomingMessage, ServerResponse } from "node:http";

import type { ApiReply, ApiRequest } from "../api/api-request.ts";
import type { RefuseExchange } from "../api/exchange-problem.ts";
import { QkdError, sentenceOf } from "../model/errors.ts";
import type { Logger } from "../runtime/logger.ts";

export interface ExchangeParts {
  /** Rejects only for a bug of ours, which ends the process. */
  readonly handle: (request: ApiRequest, deadline: AbortSignal) => Promise<ApiReply>;
  readonly refuse: RefuseExchange;
  readonly log: Logger;
  /** True when the server takes no new requests: the connection ends with this reply. */
  readonly closing: () => boolean;
  /** Called when the reader was gone before a reply with something to erase was written. */
  readonly replyLost: () => void;
}

/**
 * Answers one request. The deadline given to `handle` aborts when the connection is gone.
 *
 * Rejects when `handle` does, after writing why: nobody catches it, so the process ends, as a broken invariant demands.
 */
export async function runExchange(
  message: IncomingMessage,
  response: ServerResponse,
  parts: ExchangeParts,
  limits: { readonly bodyBytesMax: number },
): Promise<void> {
  const body = await readBody(message, limits.bodyBytesMax);
  if (body === "gone") return;
  if (body === "too large") {
    sendReply(response, parts.refuse({ kind: "body-too-large", bodyBytesMax: limits.bodyBytesMax }), parts);
    return;
  }
  const gone = new AbortController();
  response.once("close", () => {
    if (!response.writableFinished) gone.abort(new QkdError("CANCELLED", "the connection is gone", {}));
  });
  let reply: ApiReply;
  try {
    reply = await parts.handle({ ...target(message), body }, gone.signal);
  } catch (failure) {
    parts.log.error("request met a bug of ours, ending", { reason: sentenceOf(failure) });
    response.destroy();
    throw failure;
  }
  sendReply(response, reply, parts);
}

/** Writes `reply` and erases it as soon as it was handed to the kernel, or cannot be. */
export function sendReply(response: ServerResponse, reply: ApiReply, parts: Omit<ExchangeParts, "handle">): void {
  let settled = false;
  const settle = (): void => {
    if (settled) return;
    settled = true;
    reply.erase?.();
    if (reply.erase !== undefined && !response.writableFinished) parts.replyLost();
  };
  if (response.closed || response.destroyed) {
    settle();
    return;
  }
  response.once("finish", settle);
  response.once("close", settle);
  if (parts.closing()) response.shouldKeepAlive = false;
  response.writeHead(reply.status, {
    "content-type": reply.contentType,
    "content-length": reply.body.length,
    ...reply.headers,
  });
  response.end(reply.body);
}

function target(message: IncomingMessage): Omit<ApiRequest, "body"> {
  const url = message.url ?? "/";
  const question = url.indexOf("?");
  return {
    method: message.method ?? "",
    path: question < 0 ? url : url.slice(0, question),
    query: question < 0 ? "" : url.slice(question + 1),
    contentType: message.headers["content-type"],
  };
}

const NOTHING = new Uint8Array(0);

/**
 * The whole body, which has no secrets. What is too large is answered at once; the rest of it is read and dropped, within
 * the server's time limit for a request, so that the sender can read why.
 */
async function readBody(message: IncomingMessage, bodyBytesMax: number): Promise<Uint8Array | "too large" | "gone"> {
  const { "content-length": announced, "transfer-encoding": encoding } = message.headers;
  if (encoding === undefined && (announced === undefined || announced === "0")) return NOTHING;
  if (Number(announced) > bodyBytesMax) {
    message.resume();
    return "too large";
  }
  const { promise, resolve } = Promise.withResolvers<Uint8Array | "too large" | "gone">();
  const chunks: Uint8Array[] = [];
  let length = 0;
  message.on("data", (chunk: Uint8Array) => {
    length += chunk.length;
    if (length > bodyBytesMax) {
      chunks.length = 0;
      resolve("too large");
    } else {
      chunks.push(chunk);
    }
  });
  message.once("end", () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)));
  message.once("error", () => resolve("gone"));
  message.once("close", () => resolve("gone"));
  return promise;
}
