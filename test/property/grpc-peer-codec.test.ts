/** Laws of the wire between neighbours: what is encoded is decoded, by us and by protobuf; nothing else gets through. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { describe, it } from "node:test";

import { type MessageTypeDefinition, loadSync } from "@grpc/proto-loader";
import fc from "fast-check";

import { type Envelope, decodeEnvelope, encodeEnvelope } from "../../src/io/grpc-peer-codec.ts";
import { isQkdError } from "../../src/model/errors.ts";
import {
  type Incarnation,
  type QkdKeyId,
  type RelayId,
  type SegmentName,
  parseKeyClass,
  parseNodeId,
  segmentName,
} from "../../src/model/ids.ts";
import { oneOfEachKind } from "../fakes/one-of-each-message.ts";

const hex = <Name extends string>(size: { min: number; max: number }): fc.Arbitrary<Name> =>
  fc
    .uint8Array({ minLength: size.min, maxLength: size.max })
    .map((bytes) => Buffer.from(bytes).toString("hex") as Name);
const exactly = (size: number) => ({ min: size, max: size });
const bytes = (maxLength: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength, size: "max" });

/** Objects like those of messages: fast-check's own may lack a prototype. */
const record = <Fields extends object>(fields: { readonly [Name in keyof Fields]: fc.Arbitrary<Fields[Name]> }) =>
  fc.record(fields, {
    noNullPrototype: true,
  }) as fc.Arbitrary<Fields>;

const uint32 = fc.nat(0xffff_ffff);
const node = fc.stringMatching(/^[a-z0-9](?:-?[a-z0-9]){0,15}$/).map(parseNodeId);
const keyClass = fc.stringMatching(/^[a-z][a-z0-9-]{0,15}$/).map(parseKeyClass);
const segment: fc.Arbitrary<SegmentName> = fc
  .tuple(uint32, uint32)
  .map(([epoch, number]) => segmentName(epoch, number));
const incarnation = hex<Incarnation>(exactly(8));
const tag = bytes(64);
const mark = bytes(4_096);
const segmentRun = fc.tuple(uint32, uint32, fc.integer({ min: 1, max: 50_000 })).map(([epoch, number, count]) => ({
  first: segmentName(epoch, Math.min(number, 0xffff_ffff - count + 1)),
  count,
}));
const segmentRuns = fc.array(segmentRun, { maxLength: 20 });
const qkdKeyRun = fc
  .tuple(hex<QkdKeyId>({ min: 0, max: 26 }), hex<QkdKeyId>({ min: 6, max: 6 }), fc.integer({ min: 1, max: 50_000 }))
  .map(([name, counter, count]) => ({ first: `${name}00${counter.slice(2)}` as QkdKeyId, count }));
const pools = fc.array(record({ keyClass, segments: segmentRuns }), { maxLength: 2 });
const literal = <const Word extends string>(...words: readonly Word[]) => fc.constantFrom(...words);
const kind = <const Kind extends string>(word: Kind) => fc.constant(word);

const arbitraries: { readonly [Kind in Envelope["kind"]]: fc.Arbitrary<Extract<Envelope, { kind: Kind }>> } = {
  hello: record({
    kind: kind("hello"),
    protocol: uint32,
    node,
    incarnation,
    storeId: hex<string>(exactly(16)),
    wallMs: fc.maxSafeNat(),
    held: segmentRuns,
    open: fc.array(segment),
    openedUpTo: segment,
    witnessedUpTo: segment,
    ownMark: mark,
    returnedMark: mark,
    directory: record({ saes: hex<string>({ min: 0, max: 16 }), pairs: hex<string>({ min: 0, max: 16 }) }),
  }),
  heartbeat: record({
    kind: kind("heartbeat"),
    demandBytesPerSecond: fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }).map((rate) => rate + 0),
  }),
  inventory: record({ kind: kind("inventory"), runs: fc.array(qkdKeyRun, { maxLength: 20 }) }),
  proposal: record({ kind: kind("proposal"), segment, manifest: bytes(10_000), tag }),
  agreement: record({ kind: kind("agreement"), segment, tag }),
  disagreement: record({
    kind: kind("disagreement"),
    segment,
    reason: literal("missing", "mismatch", "stale"),
    missing: fc.array(hex<QkdKeyId>({ min: 1, max: 32 })),
  }),
  "segment-opening": record({ kind: kind("segment-opening"), segment, tag, mark }),
  "segment-witnessed": record({ kind: kind("segment-witnessed"), segment, tag }),
  "segment-closing": record({
    kind: kind("segment-closing"),
    segment,
    reason: literal("exhausted", "refused", "tag-failures", "burned"),
  }),
  frame: record({ kind: kind("frame"), bytes: bytes(70_000) }),
  "relay-answer": record({
    kind: kind("relay-answer"),
    relay: hex<RelayId>(exactly(16)),
    outcome: fc.oneof(
      record({ kind: kind("established"), proof: bytes(1_024), incarnation }),
      record({ kind: kind("share-held") }),
      record({
        kind: kind("refused"),
        reason: literal("no-pad", "busy", "unreachable", "tag-wrong", "deadline", "not-admitted", "draining"),
        atHop: node,
      }),
    ),
  }),
  "relay-reservation": record({
    kind: kind("relay-reservation"),
    relay: hex<RelayId>(exactly(16)),
    origin: node,
    keyClass,
    route: fc.array(node, { maxLength: 64 }),
    totalBytes: fc.nat(),
    urgency: literal("on-demand", "refill"),
    shares: fc.nat(),
  }),
  "relay-reservation-answer": record({
    kind: kind("relay-reservation-answer"),
    relay: hex<RelayId>(exactly(16)),
    outcome: fc.oneof(
      record({ kind: kind("granted") }),
      record({
        kind: kind("refused"),
        reason: literal("no-pad", "busy", "unreachable", "tag-wrong", "deadline", "not-admitted", "draining"),
        atHop: node,
      }),
    ),
  }),
  control: record({
    kind: kind("control"),
    origin: node,
    route: fc.array(node, { maxLength: 64 }),
    body: fc.oneof(record({ kind: kind("live-set"), pools }), record({ kind: kind("holdings"), incarnation, pools })),
  }),
  advert: record({
    kind: kind("advert"),
    origin: node,
    epoch: uint32,
    sequence: uint32,
    ageMs: fc.maxSafeNat(),
    links: fc.uniqueArray(
      record({
        neighbour: node,
        state: literal("up", "down"),
        padBytes: fc.maxSafeNat(),
        padBytesPerSecond: fc.maxSafeNat(),
      }),
      { maxLength: 64, selector: ({ neighbour }) => neighbour },
    ),
  }),
  "session-ending": record({
    kind: kind("session-ending"),
    reason: fc.string({ unit: "grapheme-ascii", maxLength: 200 }),
  }),
};

const envelope: fc.Arbitrary<Envelope> = fc.oneof(...Object.values<fc.Arbitrary<Envelope>>(arbitraries));

/** Protobuf as others have it, from the published description. */
const proto = fileURLToPath(new URL("../../proto/qkdn/kx/v1/kx.proto", import.meta.url));
const published = loadSync(proto, { longs: Number, oneofs: true })["qkdn.kx.v1.Envelope"] as MessageTypeDefinition<
  object,
  object
>;

const decodeOrRefuse = (wire: Uint8Array): Envelope | undefined => {
  try {
    return decodeEnvelope(wire);
  } catch (failure) {
    assert.ok(isQkdError(failure, "REQUEST_INVALID"), String(failure));
    assert.ok(failure.message.length < 300, failure.message);
    return undefined;
  }
};

describe("the wire between neighbours", () => {
  it("gives back whatever was encoded", () => {
    fc.assert(
      fc.property(envelope, (sent) => assert.deepEqual(decodeEnvelope(encodeEnvelope(sent)), sent)),
      { numRuns: 500 },
    );
  });

  it("is the one that kx.proto describes: protobuf reads it, and what protobuf writes is read", () => {
    const throughProtobuf = (sent: Envelope): Buffer =>
      published.serialize(published.deserialize(encodeEnvelope(sent)));
    for (const sent of oneOfEachKind) assert.deepEqual(decodeEnvelope(throughProtobuf(sent)), sent);
    fc.assert(
      fc.property(envelope, (sent) => assert.deepEqual(throughProtobuf(sent), encodeEnvelope(sent))),
      { numRuns: 300 },
    );
  });

  it("refuses garbage, and nothing but that happens", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (wire) => {
        const decoded = decodeOrRefuse(wire);
        if (decoded !== undefined) encodeEnvelope(decoded);
      }),
      { numRuns: 3_000 },
    );
  });

  it("a message with a changed, lost or added byte is refused or is a message like any other", () => {
    const change = record({ at: fc.nat(), byte: fc.nat(255), way: literal("change", "lose", "add", "cut") });
    fc.assert(
      fc.property(envelope, change, (sent, { at, byte, way }) => {
        const wire = [...encodeEnvelope(sent).subarray(0, 400)];
        const where = at % (wire.length + 1);
        if (way === "change") wire[where] = byte;
        else if (way === "cut") wire.length = where;
        else if (way === "lose") wire.splice(where, 1);
        else wire.splice(where, 0, byte);
        const decoded = decodeOrRefuse(Uint8Array.from(wire));
        if (decoded !== undefined) assert.deepEqual(decodeEnvelope(encodeEnvelope(decoded)), decoded);
      }),
      { numRuns: 1_500 },
    );
  });
});
