/** Metrics of QKD links (names after ETSI GS QKD 015 and ITU-T Y.3807 where those have one). */
import type { Counter, Gauge, MetricsRegistry, RunningTotal } from "../runtime/metrics.ts";

export interface LinkMetrics {
  readonly secretKeyRate: Gauge<"link">;
  readonly effectiveRate: Gauge<"link">;
  readonly expectedConsumption: Gauge<"link">;
  readonly qber: Gauge<"link">;
  readonly status: Gauge<"link" | "status">;
  readonly stockBits: Gauge<"link" | "state">;
  readonly keyBits: RunningTotal<"link" | "use">;
  readonly sessions: Gauge<"link">;
  readonly directoryDiffers: Gauge<"link" | "section">;
  readonly segments: Counter<"link" | "result">;
  readonly openings: Counter<"link" | "role">;
  readonly tagFailures: Counter<"link">;
  readonly deviceFaults: Gauge<"link" | "fault">;
  readonly unfitBits: Counter<"link" | "reason">;
  readonly outOfService: Gauge<"link" | "part">;
  readonly epsilon: Counter<"link">;
}

export function createLinkMetrics(registry: MetricsRegistry): LinkMetrics {
  const link = ["link"] as const;
  return {
    secretKeyRate: registry.gauge({
      name: "qkdn_link_skr_bits_per_second",
      help: "Secret key rate that the module reports (ETSI GS QKD 015: skr).",
      labels: link,
    }),
    effectiveRate: registry.gauge({
      name: "qkdn_link_eskr_bits_per_second",
      help: "Secret key rate less what the link itself spends on tags, proofs and failed agreements (ETSI GS QKD 015: eskr).",
      labels: link,
    }),
    expectedConsumption: registry.gauge({
      name: "qkdn_link_expected_consumption_bits_per_second",
      help: "Pad that relays spend in both directions (ETSI GS QKD 015: expected_consumption).",
      labels: link,
    }),
    qber: registry.gauge({ name: "qkdn_link_qber_ratio", help: "Quantum bit error rate, 0 to 1.", labels: link }),
    status: registry.gauge({
      name: "qkdn_link_status",
      help: "1 for the state that the link is in (ETSI GS QKD 015: link status).",
      labels: ["link", "status"],
    }),
    stockBits: registry.gauge({
      name: "qkdn_link_stock_bits",
      help: "Key held: quarantine, outbound, inbound, open.",
      labels: ["link", "state"],
    }),
    keyBits: registry.runningTotal({
      name: "qkdn_link_key_bits_total",
      help: "Key that the module generated since the store began, and what it was used for: otp, mac, supply; or lost as.",
      labels: ["link", "use"],
    }),
    sessions: registry.gauge({ name: "qkdn_link_session_up", help: "1 while the KM link is up.", labels: link }),
    directoryDiffers: directoryGauge(registry),
    segments: registry.counter({
      name: "qkdn_link_segments_total",
      help: "Link segments by result of the agreement.",
      labels: ["link", "result"],
    }),
    openings: registry.counter({
      name: "qkdn_link_openings_total",
      help: "Link segments opened, as owner or as witness.",
      labels: ["link", "role"],
    }),
    tagFailures: registry.counter({
      name: "qkdn_link_tag_failures_total",
      help: "One-time tags that did not verify.",
      labels: link,
    }),
    deviceFaults: registry.gauge({
      name: "qkdn_link_device_faults",
      help: "What went wrong on the module's line since it was opened.",
      labels: ["link", "fault"],
    }),
    ...healthMetrics(registry),
  };
}

function healthMetrics(registry: MetricsRegistry): Pick<LinkMetrics, "unfitBits" | "outOfService" | "epsilon"> {
  const link = ["link"] as const;
  return {
    unfitBits: registry.counter({
      name: "qkdn_link_unfit_bits_total",
      help: "Key of the module that was refused before use: by a health test, or because it or its id came before.",
      labels: ["link", "reason"],
    }),
    epsilon: registry.counter({
      name: "qkdn_link_epsilon_total",
      help: "Bound on the probability that any tag checked so far was forged: the sum over all of them. What the modules' key itself lacks in secrecy is not in it.",
      labels: link,
    }),
    outOfService: registry.gauge({
      name: "qkdn_link_out_of_service",
      help: "1 while a part of the link is out of service: module (it gives unfit key), agreement (the ends hold different bits), tags (forged frames).",
      labels: ["link", "part"],
    }),
  };
}

function directoryGauge(registry: MetricsRegistry): LinkMetrics["directoryDiffers"] {
  return registry.gauge({
    name: "qkdn_link_directory_differs",
    help: "1 while the two ends of the link were told different things: saes, pairs (sections of the configuration).",
    labels: ["link", "section"],
  });
}
