import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { layFrame, readFrame } from "../../src/link/hop-frame.ts";
import { decodeManifest, encodeManifest, type Manifest } from "../../src/link/manifest.ts";
import { isQkdError } from "../../src/model/errors.ts";
import { linkIdBetween, segmentName, type NodeId, type QkdKeyId } from "../../src/model/ids.ts";
import { decodeRelayHeader, decodeRelayPlan, encodeRelayHeader, encodeRelayPlan } from "../../src/relay/relay-frame.ts";
import type { RelayFrameHeader, RelayPlan } from "../../src/relay/relay-frame.ts";
import type { KeyClass, RelayId } from "../../src/model/ids.ts";
import { SHARES_MAX } from "../../src/relay/split-policy.ts";
import type { Route } from "../../src/topology/router.ts";

/** Plain objects, as decoders give them. */
const record = <Model>(model: { [Field in keyof Model]: fc.Arbitrary<Model[Field]> }): fc.Arbitrary<Model> =>
  fc.record(model, { noNullPrototype: true });
const u32 = fc.nat(0xffff_ffff);
const wall = fc.nat(2 ** 45);
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const node = fc.stringMatching(/^[a-z0-9]([a-z0-9]{0,8}[a-z0-9])?$/) as fc.Arbitrary<NodeId>;
const name = fc.tuple(u32, u32).map(([epoch, number]) => segmentName(epoch, number));
const bytes = (maxLength: number) => fc.uint8Array({ maxLength });

const manifest: fc.Arbitrary<Manifest> = record({
  link: fc.tuple(node, node).map(([one, other]) => linkIdBetween(one, other)),
  segment: name,
  owner: fc.constantFrom("leader", "follower"),
  lengthBytes: fc.integer({ min: 128, max: 65_536 }),
  expiresAt: wall,
  runs: fc.array(
    record({
      first: fc.uint8Array({ minLength: 1, maxLength: 32 }).map((id) => hexOf(id) as QkdKeyId),
      count: u32,
    }),
    { maxLength: 60 },
  ),
});

const share = fc
  .tuple(fc.uint8Array({ minLength: 16, maxLength: 16 }).map(hexOf), fc.integer({ min: 2, max: SHARES_MAX }), fc.nat())
  .map(([key, shares, index]) => ({ key, shares, index: index % shares }));

const plan: fc.Arbitrary<RelayPlan> = record({
  nodes: fc.uniqueArray(node, { minLength: 2, maxLength: 8 }),
  keyClass: fc.constantFrom("default", "gold") as fc.Arbitrary<KeyClass>,
  carriesIdSecret: fc.boolean(),
  segments: fc.uniqueArray(record({ name, lengthBytes: fc.integer({ min: 1, max: 65_536 }), expiresAt: wall }), {
    minLength: 1,
    maxLength: 64,
    selector: (segment) => segment.name,
  }),
  live: fc.option(fc.array(record({ first: name, count: u32 }), { maxLength: 80 }), { nil: undefined }),
  share: fc.option(share, { nil: undefined }),
}).map(({ nodes: [origin, ...route], segments, share: place, ...rest }) => ({
  ...rest,
  ...(place === undefined ? {} : { share: place }),
  origin: origin!,
  route: route as unknown as Route,
  segments: [...segments].sort((one, other) => (one.name < other.name ? -1 : 1)),
}));

const header: fc.Arbitrary<RelayFrameHeader> = record({
  relay: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((id) => hexOf(id) as RelayId),
  payloadOffset: u32,
  totalBytes: u32,
  timeLeftMs: u32,
  plan: bytes(600),
});

/** Anything at all, and almost right: one valid encoding with some bytes changed, cut or added. */
const garbled = (valid: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> =>
  fc.oneof(
    bytes(200),
    fc
      .tuple(valid, fc.array(fc.tuple(fc.nat(4096), fc.nat(255)), { maxLength: 6 }), fc.integer({ min: -9, max: 9 }))
      .map(([whole, changes, more]) => {
        const changed = new Uint8Array(Math.max(0, whole.length + more));
        changed.set(whole.subarray(0, changed.length));
        for (const [at, byte] of changes) if (changed.length > 0) changed[at % changed.length] = byte;
        return changed;
      }),
  );

function refusesOrRoundTrips<Value>(
  decode: (bytes: Uint8Array) => Value,
  encode: (value: Value) => Uint8Array,
  codes: Parameters<typeof isQkdError>[1][] = ["REQUEST_INVALID"],
): (bytes: Uint8Array) => void {
  return (given) => {
    let value: Value;
    try {
      value = decode(given);
    } catch (failure) {
      assert.ok(isQkdError(failure, ...codes), String(failure));
      return;
    }
    assert.equal(hexOf(encode(value)), hexOf(given), "one meaning has one encoding");
  };
}

describe("what is under a one-time tag", () => {
  it("a manifest comes back as it was, however many runs it has", () => {
    fc.assert(
      fc.property(manifest, (given) => assert.deepEqual(decodeManifest(encodeManifest(given)), given)),
      { numRuns: 300, seed: 11 },
    );
  });

  it("a manifest has one encoding, and garbage is refused as an invalid request", () => {
    fc.assert(fc.property(garbled(manifest.map(encodeManifest)), refusesOrRoundTrips(decodeManifest, encodeManifest)), {
      numRuns: 2_000,
      seed: 12,
    });
  });

  it("a segment too short to pay for one frame beyond its header is no segment", () => {
    fc.assert(
      fc.property(manifest, fc.integer({ min: 0, max: 127 }), (given, lengthBytes) => {
        assert.throws(() => decodeManifest(encodeManifest({ ...given, lengthBytes })), /its length/);
      }),
      { numRuns: 50, seed: 13 },
    );
  });

  it("a hop frame gives back its parts, and its tag covers all but itself", () => {
    fc.assert(
      fc.property(name, u32, bytes(300), bytes(300), (segment, padOffset, head, payload) => {
        const laid = layFrame(segment, padOffset, head, payload.length);
        laid.ciphertext.set(payload);
        laid.tag.fill(0xee);
        const read = readFrame(laid.bytes);
        assert.deepEqual([read.segment, read.padOffset], [segment, padOffset]);
        assert.deepEqual([read.header, read.ciphertext], [head, payload]);
        assert.deepEqual([...read.covered, ...read.tag], [...laid.bytes]);
        assert.deepEqual(read.tag, new Uint8Array(16).fill(0xee));
      }),
      { numRuns: 200, seed: 14 },
    );
  });

  it("a hop frame that is garbage is refused as an invalid request", () => {
    const valid = fc.tuple(name, u32, bytes(40)).map(([segment, at, head]) => layFrame(segment, at, head, 64).bytes);
    const again = (frame: ReturnType<typeof readFrame>): Uint8Array =>
      Uint8Array.from([...frame.covered, ...frame.tag]);
    fc.assert(fc.property(garbled(valid), refusesOrRoundTrips(readFrame, again)), { numRuns: 2_000, seed: 15 });
  });

  it("a relay's header comes back as it was, and garbage is refused", () => {
    fc.assert(
      fc.property(header, (given) => assert.deepEqual(decodeRelayHeader(encodeRelayHeader(given)), given)),
      { numRuns: 200, seed: 16 },
    );
    fc.assert(
      fc.property(garbled(header.map(encodeRelayHeader)), refusesOrRoundTrips(decodeRelayHeader, encodeRelayHeader)),
      { numRuns: 1_000, seed: 17 },
    );
  });

  it("a relay's plan comes back as it was, however much of it there is", () => {
    fc.assert(
      fc.property(plan, (given) => assert.deepEqual(decodeRelayPlan(encodeRelayPlan(given)), given)),
      { numRuns: 300, seed: 18 },
    );
  });

  it("a relay's plan that is garbage is refused, and never believed in part", () => {
    const decode = (given: Uint8Array): void => {
      try {
        decodeRelayPlan(given);
      } catch (failure) {
        assert.ok(isQkdError(failure, "REQUEST_INVALID", "CONFIG_INVALID"), String(failure));
      }
    };
    fc.assert(fc.property(garbled(plan.map(encodeRelayPlan)), decode), { numRuns: 2_000, seed: 19 });
  });

  it("a live set too long to tell is left out, not cut short", () => {
    fc.assert(
      fc.property(plan, (given) => {
        const live = Array.from({ length: 1025 }, (_, i) => ({ first: segmentName(1, 3 * i), count: 1 }));
        assert.equal(decodeRelayPlan(encodeRelayPlan({ ...given, live })).live, undefined);
      }),
      { numRuns: 3, seed: 20 },
    );
  });
});
