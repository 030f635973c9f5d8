/** Checkers that cannot fail prove nothing: each must find the law that is broken for it on purpose. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runWorld } from "./run-world.ts";
import { sabotages, type SabotageName } from "./sabotage.ts";

for (const [name, { breaks }] of Object.entries(sabotages)) {
  test(`the checker "${breaks}" finds the sabotage "${name}"`, async () => {
    const { violations } = await runWorld({
      seed: 1,
      seconds: 20,
      requestsPerSecond: 30,
      sabotage: name as SabotageName,
    });
    assert.ok(
      violations.some((violation) => violation.includes(breaks)),
      `found only ${JSON.stringify(violations.slice(0, 3))}`,
    );
  });
}
