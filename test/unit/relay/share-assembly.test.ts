import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { segmentName, type KeyClass, type NodeId } from "../../../src/model/ids.ts";
import { KeyMaterial } from "../../../src/model/key-material.ts";
import { encodeRelayPlan, type RelayPlan } from "../../../src/relay/relay-frame.ts";
import { ShareAssembly } from "../../../src/relay/share-assembly.ts";
import { joinShares, type Share } from "../../../src/relay/split-key.ts";
import { createVirtualWorldClock } from "../../fakes/virtual-clock.ts";
import { node, standInLink } from "./stand-in-link.ts";

const BYTES = 40;

/** Share `index` of three for "d", as it comes by a route of its own. */
function share(
  index: number,
  change: { readonly fill?: number; readonly number?: number; readonly key?: string } = {},
): Share {
  const plan: RelayPlan = {
    origin: node("a"),
    route: [node(`t${index}`), node("d")],
    keyClass: "gold" as KeyClass,
    carriesIdSecret: false,
    segments: [{ name: segmentName(7, change.number ?? 1), lengthBytes: 8, expiresAt: 1_000 }],
    live: undefined,
    share: { key: change.key ?? "ab".repeat(16), shares: 3, index },
  };
  const payload = KeyMaterial.copyOf(new Uint8Array(BYTES).fill(change.fill ?? 1 << index));
  return { plan, planBytes: encodeRelayPlan(plan), payload };
}

function openAssembly() {
  const world = createVirtualWorldClock({ wallStartMs: 0 });
  return { world, assembly: new ShareAssembly(world.clockFor("d")), from: standInLink("t0").link };
}

describe("shares of one key", () => {
  it("are its XOR, under the newest names, by all their routes", () => {
    const key = joinShares([share(0), share(1, { number: 5 }), share(2)]);
    assert.ok(key.payload.expose((bytes) => bytes.every((byte) => byte === 7)));
    assert.equal(key.plan.segments[0]!.name, segmentName(7, 5));
    assert.deepEqual(
      key.routes,
      [0, 1, 2].map((i) => [`t${i}` as NodeId, "d" as NodeId]),
    );
  });

  it("make a key when the last has come, in whatever order, and are erased then", () => {
    const { assembly, from } = openAssembly();
    const [one, two, three] = [share(2), share(0), share(1)];
    assert.equal(assembly.take(from, one), "held");
    assert.equal(assembly.take(from, two), "held");
    const key = assembly.take(from, three);
    assert.ok(typeof key !== "string" && key.payload.expose((bytes) => bytes.every((byte) => byte === 7)));
    assert.deepEqual(
      [one, two, three].map(({ payload }) => payload.erased),
      [true, true, true],
    );
  });

  it("that come again take the place of those that were given up, and not the other way round", () => {
    const { assembly, from } = openAssembly();
    assembly.take(from, share(0, { fill: 64 }));
    assembly.take(from, share(0, { fill: 8, number: 2 }));
    assembly.take(from, share(0, { fill: 128, number: 1 })); // the first was late
    assembly.take(from, share(1, { fill: 0 }));
    const key = assembly.take(from, share(2, { fill: 0 }));
    assert.ok(typeof key !== "string" && key.payload.expose((bytes) => bytes.every((byte) => byte === 8)));
  });

  it("make one key only: a changed share that comes afterwards is shown no second proof", () => {
    const { assembly, from } = openAssembly();
    for (const index of [0, 1, 2]) assembly.take(from, share(index));
    const again = share(0, { fill: 99, number: 9 });
    assert.equal(assembly.refusal(from, again.plan), "not-admitted");
    assert.equal(assembly.take(from, again), "refused");
    assert.equal(again.payload.erased, true);
  });

  it("that do not fit together are refused", () => {
    const { assembly, from } = openAssembly();
    assembly.take(from, share(0));
    const { plan } = share(1);
    const longer = { ...plan, segments: [{ ...plan.segments[0]!, lengthBytes: 9 }] };
    assert.equal(assembly.refusal(from, longer), "not-admitted");
    assert.equal(assembly.refusal(from, { ...plan, keyClass: "other" as KeyClass }), "not-admitted");
    assert.equal(assembly.refusal(from, plan), undefined);
  });

  it("of a key that stays incomplete are erased when its time is over", async () => {
    const { assembly, from, world } = openAssembly();
    const one = share(0);
    assembly.take(from, one);
    await world.run(19_000);
    assert.equal(one.payload.erased, false);
    await world.run(2_000);
    assert.equal(one.payload.erased, true);
  });

  it("of one neighbour do not fill the memory", () => {
    const { assembly, from } = openAssembly();
    for (let i = 0; i < 64; i++) assembly.take(from, share(0, { key: i.toString(16).padStart(32, "0") }));
    assert.equal(assembly.refusal(from, share(0).plan), "busy");
    assert.equal(assembly.refusal(standInLink("t1").link, share(0).plan), undefined);
  });
});
