/** All scenarios, in the order in which they run. A new one is one file in `scenarios/` or `ratios/`, and one line here. */
import { grpcFramesRatio } from "./ratios/grpc-frames.ts";
import { groupCommitRatio } from "./ratios/group-commit.ts";
import { keyHealthRatio } from "./ratios/key-health.ts";
import { keyIdsRatio } from "./ratios/key-ids.ts";
import { oneTimeTagRatio } from "./ratios/one-time-tag.ts";
import type { Scenario } from "./scenario.ts";
import { encDecPairs } from "./scenarios/enc-dec-pairs.ts";
import { encKeys } from "./scenarios/enc-keys.ts";
import { memory } from "./scenarios/memory.ts";
import { relayTwoHops } from "./scenarios/relay-two-hops.ts";
import { serialIngest } from "./scenarios/serial-ingest.ts";

export const scenarios: readonly Scenario[] = [
  serialIngest,
  relayTwoHops,
  encKeys,
  encDecPairs,
  memory,
  oneTimeTagRatio,
  keyHealthRatio,
  keyIdsRatio,
  groupCommitRatio,
  grpcFramesRatio,
];
