import assert from "node:assert/strict";
import { test } from "node:test";

import { parseNodeId } from "../../../src/model/ids.ts";
import { withPairLabels } from "../../../src/node/pair-labels.ts";
import { createMemoryMetrics } from "../../fakes/memory-metrics.ts";

test("a pool has the same pair at both of its ends, and other labels stay as they are", () => {
  for (const [self, remote] of [
    ["hub", "north"],
    ["north", "hub"],
  ] as const) {
    const memory = createMemoryMetrics();
    const registry = withPairLabels(parseNodeId(self), memory);
    registry
      .counter({ name: "qkdn_hit_total", help: "Hits.", labels: ["remote", "class"] })
      .add({ remote, class: "c" });
    registry.gauge({ name: "qkdn_rate", help: "Rate.", labels: ["link"] }).set({ link: "a--b" }, 7);
    assert.equal(memory.value("qkdn_hit_total", "hub--north", "c"), 1);
    assert.equal(memory.value("qkdn_rate", "a--b"), 7);
  }
});
