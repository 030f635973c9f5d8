/** Who is compared: the strategy of the default policy, fixed thresholds, and no stock at all. */
import { POLICY_DEFAULT } from "../../src/node/config.ts";

export interface Contestant {
  readonly name: string;
  readonly policy: { readonly strategy: string; readonly lowKeys?: number; readonly highKeys?: number };
}

const THRESHOLDS = [8, 16, 32, 64, 128, 256];

export const contestants: readonly Contestant[] = [
  { name: POLICY_DEFAULT.strategy, policy: { strategy: POLICY_DEFAULT.strategy } },
  { name: "on-demand", policy: { strategy: "on-demand" } },
  // refilled as soon as one key is missing: the best that a threshold can do
  ...THRESHOLDS.map((keys) => ({
    name: `static-${keys}`,
    policy: { strategy: "static-watermark", lowKeys: keys, highKeys: keys },
  })),
];

/** Of the live part, which takes minutes for each. */
export const LIVE_CONTESTANTS = [POLICY_DEFAULT.strategy, "on-demand", "static-8", "static-64"].join(",");
