/** What an operator and Prometheus may ask: health, readiness, status, metrics. It changes nothing, and tells no key. */
import type { ApiReply, ApiRequest } from "../api-request.ts";
import type { ExchangeProblem } from "../exchange-problem.ts";
import { jsonReply } from "../json-reply.ts";
import type { HealthReport, NodeStatus } from "./node-status.ts";
import { plannedPools, renderPlan } from "./plan-text.ts";
import { renderStatus } from "./status-text.ts";

export interface OperatorParts {
  readonly health: () => HealthReport;
  readonly status: () => NodeStatus | Promise<NodeStatus>;
  readonly metricsText: () => Promise<{ readonly contentType: string; readonly text: string }>;
}

const READING = ["GET", "HEAD"];

/**
 * - `/healthz`     200, or 503 when the process should be restarted
 * - `/readyz`      200, or 503 when no SAE should be sent here; both with the reasons
 * - `/status`      all of `NodeStatus` as JSON; `/status.txt` for people
 * - `/plan`        of each pool that the node fills: estimates, target, orders and why; `/plan.txt` for people
 * - `/metrics`     the text format of Prometheus
 */
export function createOperatorHandlers(parts: OperatorParts): (request: ApiRequest) => Promise<ApiReply> {
  return async ({ method, path }) => {
    const answer = ANSWERS.get(path);
    if (answer === undefined) {
      return jsonReply(404, { message: `no such path; there are ${[...ANSWERS.keys()].join(", ")}` });
    }
    if (!READING.includes(method)) {
      return jsonReply(405, { message: "only GET and HEAD here" }, { allow: READING.join(", ") });
    }
    return answer(parts);
  };
}

/** For requests that the server itself refuses. */
export function refuseOperatorExchange({ kind }: ExchangeProblem): ApiReply {
  return jsonReply(kind === "body-too-large" ? 413 : 401, { message: kind });
}

type Answer = (parts: OperatorParts) => ApiReply | Promise<ApiReply>;

const ANSWERS: ReadonlyMap<string, Answer> = new Map<string, Answer>(
  Object.entries({
    "/healthz": ({ health }) => healthReply(health(), "live"),
    "/readyz": ({ health }) => healthReply(health(), "ready"),
    "/status": async ({ status }) => jsonReply(200, await status(), { "cache-control": "no-store" }),
    "/status.txt": async ({ status }) => textReply("text/plain; charset=utf-8", renderStatus(await status())),
    "/plan": async ({ status }) => jsonReply(200, planOf(await status()), { "cache-control": "no-store" }),
    "/plan.txt": async ({ status }) => textReply("text/plain; charset=utf-8", renderPlan(await status())),
    "/metrics": async ({ metricsText }) => {
      const { contentType, text } = await metricsText();
      return textReply(contentType, text);
    },
  }),
);

const planOf = ({ node, pools }: NodeStatus): unknown => ({ node, pools: plannedPools(pools) });

function healthReply(report: HealthReport, asked: "live" | "ready"): ApiReply {
  return jsonReply(report[asked] ? 200 : 503, report, { "cache-control": "no-store" });
}

function textReply(contentType: string, text: string): ApiReply {
  return {
    status: 200,
    contentType,
    headers: { "cache-control": "no-store" },
    body: new TextEncoder().encode(text),
  };
}
