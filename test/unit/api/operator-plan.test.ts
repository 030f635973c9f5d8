/** The plans of a node as its operator reads them. The texts are golden. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { createOperatorHandlers } from "../../../src/api/operator/handlers.ts";
import { renderPlan } from "../../../src/api/operator/plan-text.ts";
import { badStatus, wellStatus } from "../../fakes/sample-status.ts";

const WELL = `node-a fills 1 pool; keys are of the default size

plan
  pool              grade  strategy        phase   keys  target  in flight  asked, waits  lasts     hits  misses  for want of pad
  far-node default  gold   minimal-buffer  hold   1,204   2,000   8.00 KiB             0    1 s  128,000       2                0

demand and relays
  pool              keys/s, 1 s  1 min  dispersion  most in a lead time  forecast off by  lead time  at most      pad
  far-node default        1,204    803         4.2               1000.0           21.4 %      31 ms    52 ms  640 KiB

why
  far-node default: orders 16.9 KiB: 1460 of 2000 keys held or under way, for the most that one lead time asked for lately
    0 s ago 8.00 KiB, under way: 1460 of 2000 keys held or under way, for demand at its rate
    1 min 1 s ago 8.00 KiB, established after 31 ms: 1744 of 2000 keys held or under way, for the most that one lead time asked for lately
`;
const BAD = `node-a fills 1 pool; keys are of the default size

plan
  pool              grade  strategy        phase  keys  target  in flight  asked, waits  lasts  hits  misses  for want of pad
  far-node default  gold   minimal-buffer  hold    499   2,000   8.00 KiB          32 B      -     0       0                3

demand and relays
  pool              keys/s, 1 s  1 min  dispersion  most in a lead time  forecast off by  lead time  at most  pad
  far-node default        1,204    803         4.2               1000.0           21.4 %          -   210 ms    0

why
  far-node default: orders 46.9 KiB: 499 of 2000 keys held or under way, for demand at its rate; links lacked pad for a request: the target stays; waits for pad towards the first hop
    4 s ago 512 B, no-pad at node-b after 9 ms: 499 of 2000 keys held or under way
`;

describe("the plans as text", () => {
  test("of pools whose relays go well: the newest order first", () => assert.equal(renderPlan(wellStatus()), WELL));
  test("of a pool that waits for pad: why", () => assert.equal(renderPlan(badStatus()), BAD));
  test("of a node whose SAEs share keys with nobody", () => {
    assert.match(renderPlan({ ...wellStatus(), pools: [] }), /^node-a fills no pool: /);
  });
});

test("the operator's port has them as JSON, only of pools that the node fills, and as text", async () => {
  const status = wellStatus();
  const answer = createOperatorHandlers({
    health: () => status.health,
    status: () => status,
    metricsText: () => Promise.reject(new Error("not asked for")),
  });
  const ask = async (path: string): Promise<string> => {
    const { body } = await answer({ method: "GET", path, query: "", contentType: undefined, body: new Uint8Array(0) });
    return new TextDecoder().decode(body);
  };
  const { node, pools } = JSON.parse(await ask("/plan")) as ReturnType<typeof wellStatus>;
  assert.deepEqual([node, pools.length, pools[0]?.plan], [status.node, 1, status.pools[0]?.plan]);
  assert.equal(await ask("/plan.txt"), WELL);
});
