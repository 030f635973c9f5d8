/** Metrics of the application interfaces (KSA): what was asked, with which result, after how long (ITU-T Y.3807). */
import type { ErrorCode } from "../model/errors.ts";
import type { MonotonicMs } from "../runtime/clock.ts";
import type { ServedFrom } from "../supply/key-supply.ts";
import type { MetricsRegistry } from "../runtime/metrics.ts";

/** "ok", or the code of the refusal; "too_many" for an SAE that is over its limits; "request_invalid" also for a wrong path, method or content type. */
export type ApiResult = "ok" | "too_many" | Lowercase<ErrorCode>;

export interface ApiOutcome {
  /** The interface: "etsi014". */
  readonly api: string;
  /** One of the interface's own methods, or "other": never a word of the sender. */
  readonly method: string;
  readonly result: ApiResult;
  readonly status: number;
  readonly delayMs: MonotonicMs;
  /** True for a request for key, whatever came of it. */
  readonly forKey: boolean;
  /** Where the keys came from; undefined where none were supplied. */
  readonly from: ServedFrom | undefined;
}

export interface ApiMetrics {
  observe(outcome: ApiOutcome): void;
  /** The key was spent, and its reader was gone before it was written (counts into the KKDLR of Y.3807). */
  replyLost(api: string): void;
}

const MS_PER_SECOND = 1000;

const RESULTS = ["ok", "refused", "error", "lost"] as const;

/** @param apis  interfaces that are open: a counter that nothing has happened to is 0, and not missing */
export function createApiMetrics(registry: MetricsRegistry, apis: readonly string[]): ApiMetrics {
  const requests = registry.counter({
    name: "qkdn_ksa_requests_total",
    help: "Requests of SAEs, by method of the interface and result.",
    labels: ["api", "method", "result"],
  });
  const deliveries = registry.counter({
    name: "qkdn_ksa_delivery_total",
    help: "Requests for key: supplied (ok), refused (4xx), not possible (error), supplied to a reader that was gone (lost).",
    labels: ["api", "result"],
  });
  const delay = registry.histogram({
    name: "qkdn_ksa_response_delay_seconds",
    help: "From the whole request to the ready reply with keys: from stock (pool) or by a relay (on_demand); KKRD and KKRDV of ITU-T Y.3807.",
    labels: ["api", "method", "source", "class"],
    buckets: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
  });
  for (const api of apis) for (const result of RESULTS) deliveries.add({ api, result }, 0);
  return {
    observe({ api, method, result, status, delayMs, forKey, from }) {
      requests.add({ api, method, result });
      if (from !== undefined) {
        const { source, keyClass } = from;
        delay.observe({ api, method, source, class: keyClass }, delayMs / MS_PER_SECOND);
      }
      if (forKey) deliveries.add({ api, result: deliveryResult(status) });
    },
    replyLost: (api) => deliveries.add({ api, result: "lost" }),
  };
}

function deliveryResult(status: number): (typeof RESULTS)[number] {
  if (status < 400) return "ok";
  return status < 500 ? "refused" : "error";
}
