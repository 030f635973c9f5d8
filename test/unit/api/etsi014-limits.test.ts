import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createVirtualWorldClock } from "../../fakes/virtual-clock.ts";
import { at, jsonOf, keysOf, openExchange, type ErrorObject } from "./etsi014-exchange.ts";

const STATUS = at("bob", "status");

function open(requestsPerSecondMax: number, requestsAtOnceMax: number) {
  const world = createVirtualWorldClock({ wallStartMs: 0 });
  const clock = world.clockFor("a");
  return { world, ...openExchange({ clock, perSae: { requestsPerSecondMax, requestsAtOnceMax } }) };
}

describe("the limits of one SAE", () => {
  it("beyond its rate it is told to wait, spends no key, and is served again after that; no other SAE notices", async () => {
    const { ask, world, outcomes } = open(5, 10);
    for (let i = 0; i < 10; i++) assert.equal((await ask("alice", STATUS)).status, 200, "two seconds' worth at once");
    const refused = await ask("alice", at("bob", "enc_keys"));
    assert.equal(refused.status, 503);
    assert.equal(refused.headers?.["retry-after"], "1");
    assert.deepEqual(jsonOf<ErrorObject>(refused), {
      message: "too many requests of this SAE",
      details: [{ retry_after_ms: 200 }],
    });
    assert.equal(outcomes.at(-1)?.result, "too_many");
    assert.equal(keysOf(await ask("bob", at("alice", "enc_keys"))).length, 1);
    await world.run(200);
    assert.equal(keysOf(await ask("alice", at("bob", "enc_keys"))).length, 1);
    assert.equal((await ask("alice", STATUS)).status, 503);
  });

  it("with too many requests under way it is told to wait, until one of them is answered", async () => {
    const { ask } = open(1000, 2);
    const running = [ask("alice", at("bob", "enc_keys")), ask("alice", at("bob", "enc_keys"))];
    assert.equal((await ask("alice", STATUS)).status, 503);
    for (const reply of await Promise.all(running)) keysOf(reply);
    assert.equal((await ask("alice", STATUS)).status, 200);
    assert.equal((await ask("alice", "/nowhere")).status, 404);
    assert.equal((await ask("alice", "/nowhere")).status, 404, "a refused request is over as well");
    assert.equal((await ask("alice", STATUS)).status, 200);
  });
});
