/** What an SAE is answered: one table from our codes to the standard's status numbers and fixed sentences. */
import { type ErrorCode, type QkdError, isQkdError } from "../../model/errors.ts";
import { SECOND_MS } from "../../model/units.ts";
import type { SuppliedKey } from "../../supply/key-supply.ts";
import type { ApiReply } from "../api-request.ts";
import type { ExchangeProblem } from "../exchange-problem.ts";
import { JSON_TYPE, jsonReply } from "../json-reply.ts";
import { encodeKeyContainer } from "./key-container.ts";
import { keyDetails, retryDetails } from "./messages.ts";
import type { ErrorDetails, RequestProblem } from "./request-problem.ts";

const RETRY_AFTER_DEFAULT_MS = 1000;
/** The standard's own sample of a sentence for 503; nothing of our inside is told. */
const OUR_TROUBLE = { status: 503, message: "key data access error" } as const;

interface Refusal {
  readonly status: number;
  readonly message: string | ((error: QkdError) => string);
  readonly details?: (error: QkdError) => ErrorDetails;
}

/**
 * ETSI GS QKD 014 V1.1.1, clauses 5 and 6.5, knows 400, 401 and 503. A spent or expired key is "not found" like one that
 * never was; too little stock is 503, because the request was good and may succeed later.
 */
const REFUSALS: Readonly<Record<ErrorCode, Refusal>> = {
  REQUEST_INVALID: { status: 400, message: (error) => error.message },
  KEY_UNKNOWN: {
    status: 400,
    message: "one or more keys specified are not found on KME",
    details: (error) => keyDetails(idsOf(error), "not_found"),
  },
  SAE_UNKNOWN: { status: 400, message: "the SAE in the path is not known to this KME" },
  KEY_FOREIGN: {
    status: 401,
    message: "one or more keys specified were supplied for another pair of SAEs",
    details: (error) => keyDetails(idsOf(error)),
  },
  SAE_NOT_ALLOWED: { status: 401, message: "the calling SAE may not share keys with the SAE in the path" },
  KEY_SHORTAGE: {
    status: 503,
    message: "insufficient amount of key material",
    details: (error) => retryDetails(retryAfterMs(error), reasonOf(error)),
  },
  SUPPLY_STOPPED: OUR_TROUBLE,
  CONFIG_INVALID: OUR_TROUBLE,
  DEVICE_LOST: OUR_TROUBLE,
  PEER_UNREACHABLE: OUR_TROUBLE,
  PEER_REFUSED: OUR_TROUBLE,
  VERSION_MISMATCH: OUR_TROUBLE,
  STORE_FAILED: OUR_TROUBLE,
  STORE_LOCKED: OUR_TROUBLE,
  STORE_DAMAGED: OUR_TROUBLE,
  PORT_IN_USE: OUR_TROUBLE,
  DEADLINE: OUR_TROUBLE,
  CANCELLED: OUR_TROUBLE,
};

export function errorReply(error: QkdError): ApiReply {
  const { status, message, details } = REFUSALS[error.code];
  return errorObject(status, typeof message === "string" ? message : message(error), details?.(error), {
    ...(isQkdError(error, "KEY_SHORTAGE") ? retryAfter(retryAfterMs(error)) : {}),
  });
}

export function problemReply(problem: RequestProblem): ApiReply {
  switch (problem.kind) {
    case "no-such-path":
      return errorObject(
        404,
        "no such path: /api/v1/keys/{SAE_ID}/status, enc_keys or dec_keys, without a slash after",
      );
    case "wrong-method":
      return errorObject(405, `allowed here: ${problem.allowed.join(", ")}`, undefined, {
        allow: problem.allowed.join(", "),
      });
    case "wrong-content-type":
      return errorObject(415, "the content type shall be application/json, in UTF-8");
    case "too-many":
      return errorObject(
        503,
        "too many requests of this SAE",
        retryDetails(problem.retryAfterMs),
        retryAfter(problem.retryAfterMs),
      );
    case "malformed":
      return errorObject(400, problem.sentence, problem.details);
    case "size-not-in-bytes":
      return errorObject(400, "size shall be a multiple of 8", problem.details);
    case "extension-unsupported":
      return errorObject(400, "not all extension_mandatory parameters are supported", problem.details);
  }
}

/** For requests that never reach the handlers: the server found the problem. */
export function refuseExchange(problem: ExchangeProblem): ApiReply {
  switch (problem.kind) {
    case "unidentified":
      return errorObject(401, "the client certificate does not name exactly one SAE of this network");
    case "body-too-large":
      return errorObject(413, `the body shall have at most ${problem.bodyBytesMax} bytes`);
  }
}

/** @returns a reply whose `erase` must be called; the keys' own material is erased at once */
export function keysReply(keys: readonly SuppliedKey[]): ApiReply {
  const body = encodeKeyContainer(keys);
  return {
    status: 200,
    contentType: JSON_TYPE,
    headers: { "cache-control": "no-store" },
    body,
    erase: () => void body.fill(0),
  };
}

function errorObject(
  status: number,
  message: string,
  details?: ErrorDetails,
  headers?: Readonly<Record<string, string>>,
): ApiReply {
  const hasDetails = details !== undefined && details.length > 0;
  return jsonReply(status, { message, ...(hasDetails ? { details } : {}) }, headers);
}

/** In whole seconds, as RFC 9110, section 10.2.3 has it. */
const retryAfter = (ms: number): Readonly<Record<string, string>> => ({
  "retry-after": String(Math.max(1, Math.ceil(ms / SECOND_MS))),
});

function idsOf(error: QkdError): readonly string[] {
  const { ids } = error.facts;
  return typeof ids === "object" ? ids : [];
}

function reasonOf({ facts: { reason } }: QkdError): string | undefined {
  return typeof reason === "string" ? reason : undefined;
}

function retryAfterMs(error: QkdError): number {
  const { retryAfterMs: wait } = error.facts;
  return typeof wait === "number" && wait >= 0 ? Math.ceil(wait) : RETRY_AFTER_DEFAULT_MS;
}
