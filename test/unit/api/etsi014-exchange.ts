/** SAEs that talk to the ETSI GS QKD 014 handlers without a network. */
import assert from "node:assert/strict";

import type { ApiMetrics, ApiOutcome } from "../../../src/api/api-metrics.ts";
import type { ApiReply } from "../../../src/api/api-request.ts";
import type { SaeLimits } from "../../../src/api/etsi014/sae-limits.ts";
import { createEtsi014Handlers } from "../../../src/api/etsi014/handlers.ts";
import { createSystemClock } from "../../../src/io/system-clock.ts";
import { parseSaeId } from "../../../src/model/ids.ts";
import type { Clock } from "../../../src/runtime/clock.ts";
import type { KeySupply } from "../../../src/supply/key-supply.ts";
import { createRecordingLogger } from "../../fakes/recording-logger.ts";
import { createSmallKeySupply } from "../../fakes/small-key-supply.ts";

export interface Ask {
  readonly method?: string;
  readonly query?: string;
  /** Bytes as they are, or a value that is written as JSON. */
  readonly body?: unknown;
  readonly contentType?: string | undefined;
  readonly deadline?: AbortSignal;
}

export interface ErrorObject {
  readonly message: string;
  readonly details?: readonly Readonly<Record<string, unknown>>[];
}

export interface Container {
  readonly keys: readonly { readonly key_ID: string; readonly key: string }[];
}

export const at = (other: string, method: string) => `/api/v1/keys/${encodeURIComponent(other)}/${method}`;

/** alice and bob, alice and carol may share keys; mallory is known and may not. */
export function openExchange(
  parts: {
    readonly stockBytes?: number;
    readonly supply?: KeySupply;
    readonly clock?: Clock;
    readonly perSae?: SaeLimits;
  } = {},
) {
  const small = createSmallKeySupply({
    places: { alice: "a", bob: "b", carol: "c", mallory: "b", "site/7:x": "b", "100%25": "b" },
    friends: ["alice bob", "alice carol", "alice site/7:x", "alice 100%25"],
    stockBytes: parts.stockBytes ?? 1_000_000,
  });
  const log = createRecordingLogger();
  const outcomes: ApiOutcome[] = [];
  const metrics: ApiMetrics = { observe: (outcome) => void outcomes.push(outcome), replyLost: () => undefined };
  const handlers = createEtsi014Handlers(
    { supply: parts.supply ?? small, clock: parts.clock ?? createSystemClock(), log, metrics },
    { requestDeadlineMs: 2000, ...(parts.perSae === undefined ? {} : { perSae: parts.perSae }) },
  );
  const ask = (caller: string, path: string, { body, query = "", ...how }: Ask = {}): Promise<ApiReply> => {
    const bytes =
      body instanceof Uint8Array ? body : new TextEncoder().encode(body === undefined ? "" : JSON.stringify(body));
    return handlers(
      {
        caller: parseSaeId(caller),
        method: how.method ?? (body === undefined ? "GET" : "POST"),
        path,
        query,
        contentType: "contentType" in how ? how.contentType : "application/json",
        body: bytes,
      },
      how.deadline ?? new AbortController().signal,
    );
  };
  return { ask, supply: small, log, outcomes };
}

export const jsonOf = <Message>(reply: ApiReply): Message =>
  JSON.parse(new TextDecoder().decode(reply.body)) as Message;

export function keysOf(reply: ApiReply): Container["keys"] {
  assert.equal(reply.status, 200, new TextDecoder().decode(reply.body));
  return jsonOf<Container>(reply).keys;
}

/** The message of a refusal, after a look at the schema of the Error object (clause 6.5). */
export function refusalOf(reply: ApiReply, status: number): ErrorObject {
  const error = jsonOf<ErrorObject>(reply);
  assert.equal(reply.status, status, error.message);
  assert.equal(reply.contentType, "application/json");
  assert.equal(typeof error.message, "string");
  assert.deepEqual(
    Object.keys(error).filter((name) => name !== "message" && name !== "details"),
    [],
  );
  if (error.details !== undefined) {
    assert.ok(Array.isArray(error.details) && error.details.every((entry) => typeof entry === "object"));
  }
  return error;
}
