/** The key delivery interface for SAEs (reference point Ak): ETSI GS QKD 014 V1.1.1, clause 5: three methods, GET and POST. */
import { QkdError, isQkdError } from "../../model/errors.ts";
import type { SaeId } from "../../model/ids.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Logger } from "../../runtime/logger.ts";
import type { ServedFrom, KeySupply, SaePair } from "../../supply/key-supply.ts";
import type { ApiMetrics, ApiResult } from "../api-metrics.ts";
import type { ApiReply, SaeRequest } from "../api-request.ts";
import { jsonReply } from "../json-reply.ts";
import {
  type Method,
  parseKeyIdsBody,
  parseKeyIdsQuery,
  parseKeyRequestBody,
  parseKeyRequestQuery,
  parsePath,
  statusMessage,
} from "./messages.ts";
import { errorReply, keysReply, problemReply } from "./replies.ts";
import { type SaeLimits, SaeThrottle } from "./sae-limits.ts";
import { RefusedRequest } from "./request-problem.ts";

export const ETSI014 = "etsi014";

export interface Etsi014Parts {
  readonly supply: KeySupply;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics?: ApiMetrics;
}

export interface Etsi014Limits {
  /** How long a request may wait for key that is not in stock. */
  readonly requestDeadlineMs: number;
  /** Of each SAE; without them none is told to wait. */
  readonly perSae?: SaeLimits;
}

/** Answers one request. Rejects only for our own bugs, which must end the process; `deadline` aborts when the SAE is gone. */
export type Etsi014Handlers = (request: SaeRequest, deadline: AbortSignal) => Promise<ApiReply>;

export function createEtsi014Handlers(parts: Etsi014Parts, limits: Etsi014Limits): Etsi014Handlers {
  const throttle = limits.perSae === undefined ? undefined : new SaeThrottle(parts.clock, limits.perSae);
  return async (request, deadline) => {
    const begun = parts.clock.monotonic();
    const wait = throttle?.begin(request.caller);
    const { reply, method, result, from } =
      wait === undefined
        ? await answer(request, deadline, parts, limits).finally(() => throttle?.end(request.caller))
        : refusedToWait(request, wait.retryAfterMs);
    parts.metrics?.observe({
      api: ETSI014,
      method: method ?? "other",
      result,
      status: reply.status,
      delayMs: parts.clock.monotonic() - begun,
      forKey: method === "enc_keys" || method === "dec_keys",
      from,
    });
    return reply;
  };
}

interface Answer {
  readonly reply: ApiReply;
  readonly method: Method | undefined;
  readonly result: ApiResult;
  readonly from?: ServedFrom | undefined;
}

/** Before the request is looked into. */
function refusedToWait({ path }: SaeRequest, retryAfterMs: number): Answer {
  const reply = problemReply({ kind: "too-many", retryAfterMs });
  return { reply, method: parsePath(path)?.method, result: "too_many" };
}

async function answer(
  request: SaeRequest,
  deadline: AbortSignal,
  parts: Etsi014Parts,
  limits: Etsi014Limits,
): Promise<Answer> {
  let method: Method | undefined;
  try {
    const asked = parsePath(request.path);
    if (asked === undefined) throw new RefusedRequest({ kind: "no-such-path" });
    method = asked.method;
    let from: ServedFrom | undefined;
    const served = (source: ServedFrom): void => void (from = source);
    const reply = await replyTo(request, asked, { ...parts, deadline, limits, served });
    return { reply, method, result: "ok", from };
  } catch (error) {
    if (error instanceof RefusedRequest)
      return { reply: problemReply(error.problem), method, result: "request_invalid" };
    if (!isQkdError(error)) throw error;
    logRefusal(parts.log, request.caller, method, error);
    return { reply: errorReply(error), method, result: error.code.toLowerCase() as Lowercase<typeof error.code> };
  }
}

interface Circumstances extends Etsi014Parts {
  readonly deadline: AbortSignal;
  readonly limits: Etsi014Limits;
  readonly served: (from: ServedFrom) => void;
}

async function replyTo(
  request: SaeRequest,
  asked: { readonly method: Method; readonly other: SaeId },
  circumstances: Circumstances,
): Promise<ApiReply> {
  const { supply, served } = circumstances;
  const posted = isPosted(request, asked.method);
  switch (asked.method) {
    case "status": {
      const pair: SaePair = { initiator: request.caller, target: asked.other };
      return jsonReply(200, statusMessage(pair, supply.status(pair)));
    }
    case "enc_keys": {
      const { count, sizeBits } = posted
        ? parseKeyRequestBody(request.body, supply.limits)
        : parseKeyRequestQuery(request.query, supply.limits);
      const pair: SaePair = { initiator: request.caller, target: asked.other };
      return withinDeadline(circumstances, async (deadline) =>
        keysReply(await supply.encryptionKeys({ pair, count, sizeBits, served }, deadline)),
      );
    }
    case "dec_keys": {
      const ids = posted ? parseKeyIdsBody(request.body, supply.limits) : parseKeyIdsQuery(request.query);
      const pair: SaePair = { initiator: asked.other, target: request.caller };
      return withinDeadline(circumstances, async (deadline) =>
        keysReply(await supply.decryptionKeys({ pair, ids, served }, deadline)),
      );
    }
  }
}

/** Whether the POST form is used. A HEAD is refused: it would spend keys and show nobody. */
function isPosted(request: SaeRequest, method: Method): boolean {
  const allowed = method === "status" ? ["GET"] : ["GET", "POST"];
  if (!allowed.includes(request.method)) throw new RefusedRequest({ kind: "wrong-method", allowed });
  if (request.body.length > 0) {
    if (request.method === "GET") {
      // Ignored, it would give one key of the default size to somebody who asked for something else.
      throw new RefusedRequest({ kind: "malformed", sentence: "a GET request has no body; use POST" });
    }
    if (!isJsonType(request.contentType)) throw new RefusedRequest({ kind: "wrong-content-type" });
  }
  return request.method === "POST";
}

/** "application/json", with nothing or `charset=utf-8` after it. */
function isJsonType(contentType: string | undefined): boolean {
  return contentType !== undefined && /^application\/json\s*(;\s*charset="?utf-8"?\s*)?$/i.test(contentType);
}

/** Runs `ask` under a signal that aborts after the time allowed, or as soon as the SAE is gone; leaves no timer behind. */
async function withinDeadline<Result>(
  { clock, limits, deadline }: Circumstances,
  ask: (deadline: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const allowed = new AbortController();
  const abandon = (): void => allowed.abort(new QkdError("CANCELLED", "the SAE is gone", {}, deadline.reason));
  const cancel = clock.after(limits.requestDeadlineMs, () =>
    allowed.abort(new QkdError("DEADLINE", "the time allowed for a request is over", {})),
  );
  deadline.addEventListener("abort", abandon, { once: true });
  try {
    if (deadline.aborted) abandon();
    return await ask(allowed.signal);
  } finally {
    cancel();
    deadline.removeEventListener("abort", abandon);
  }
}

/** An empty pool and a client's mistake are counted, not written; refused rights and our own trouble are for the operator. */
function logRefusal(log: Logger, caller: SaeId, method: Method | undefined, { code, message }: QkdError): void {
  const facts = { sae: caller, method, code, reason: message };
  switch (code) {
    case "SAE_NOT_ALLOWED":
    case "KEY_FOREIGN":
      return log.info("SAE refused", facts);
    case "KEY_SHORTAGE":
    case "KEY_UNKNOWN":
    case "REQUEST_INVALID":
    case "SAE_UNKNOWN":
    case "CANCELLED":
      return log.debug("request not satisfied", facts);
    default:
      return log.warn("request failed", facts);
  }
}
