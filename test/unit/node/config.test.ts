import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LINK_LIMITS } from "../../../src/link/link-parts.ts";
import { isQkdError } from "../../../src/model/errors.ts";
import type { KeyClass, NodeId, SaeId } from "../../../src/model/ids.ts";
import {
  checkNodeConfig,
  NODE_DEFAULTS,
  POLICY_DEFAULT,
  SUPPLY_DEFAULTS,
  type NodeConfig,
} from "../../../src/node/config.ts";

const node = (name: string): NodeId => name as NodeId;
const sae = (name: string): SaeId => name as SaeId;
const link = (neighbour: string) => ({
  neighbour: node(neighbour),
  driver: "d",
  driverConfig: {},
  limits: LINK_LIMITS,
});
const pool = { remote: node("c"), keyClass: "default" as KeyClass };

const good: NodeConfig = {
  ...NODE_DEFAULTS,
  node: node("a"),
  links: [link("b")],
  saes: [
    { id: sae("x"), node: node("a") },
    { id: sae("y"), node: node("c") },
  ],
  pairs: [{ between: [sae("x"), sae("y")], keyClass: "default" as KeyClass }],
  supply: SUPPLY_DEFAULTS,
  policy: POLICY_DEFAULT,
  policies: [],
};

const pairs = (one: string, other: string): Partial<NodeConfig> => ({
  pairs: [...good.pairs, { between: [sae(one), sae(other)], keyClass: "default" as KeyClass }],
});

describe("a node's configuration", () => {
  it("that is right is taken, with the defaults", () => {
    checkNodeConfig(good);
  });

  for (const [what, change, field] of [
    ["a link to itself", { links: [link("a")] }, "links[0].neighbour"],
    ["two links to one neighbour", { links: [link("b"), link("b")] }, "links[1].neighbour"],
    ["an SAE listed twice", { saes: [...good.saes, { id: sae("x"), node: node("b") }] }, "saes[2].id"],
    ["a pair with an SAE that is not listed", pairs("x", "nobody"), "pairs[1].between[1]"],
    ["an SAE paired with itself", pairs("x", "x"), "pairs[1].between"],
    ["a key size of no whole bytes", { supply: { ...SUPPLY_DEFAULTS, keySizeMinBits: 63 } }, "supply.keySizeMinBits"],
    [
      "keys larger than an id can name",
      { supply: { ...SUPPLY_DEFAULTS, keySizeMaxBits: 131_072 } },
      "supply.keySizeMaxBits",
    ],
    [
      "a usual size below the least",
      { supply: { ...SUPPLY_DEFAULTS, keySizeDefaultBits: 56 } },
      "supply.keySizeDefaultBits",
    ],
    [
      "a strategy that does not exist",
      { policy: { ...POLICY_DEFAULT, strategy: "magic" } },
      "preEstablishment.strategy",
    ],
    ["a low mark above the high one", { policy: { ...POLICY_DEFAULT, lowKeys: 2000 } }, "preEstablishment.lowKeys"],
    ["a least stock above the most", { policy: { ...POLICY_DEFAULT, minKeys: 20_000 } }, "preEstablishment.minKeys"],
    [
      "the same in one pool's policy",
      { policies: [{ ...POLICY_DEFAULT, ...pool, lowKeys: 2000 }] },
      "preEstablishment.pools[0].lowKeys",
    ],
  ] as const satisfies readonly (readonly [string, Partial<NodeConfig>, string])[]) {
    it(`with ${what} is refused, and the field is named`, () => {
      assert.throws(
        () => checkNodeConfig({ ...good, ...change }),
        (failure) => {
          assert.ok(isQkdError(failure, "CONFIG_INVALID"));
          assert.equal(failure.facts["field"], field);
          assert.ok(failure.message.startsWith(`${field}: `), failure.message);
          return true;
        },
      );
    });
  }
});
