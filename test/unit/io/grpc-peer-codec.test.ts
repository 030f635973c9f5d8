/** What a message between neighbours may not be. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { decodeEnvelope, encodeEnvelope, reasonForWire } from "../../../src/io/grpc-peer-codec.ts";
import { isQkdError } from "../../../src/model/errors.ts";
import { type NodeId, type QkdKeyId, type SegmentName, segmentName } from "../../../src/model/ids.ts";
import type { Advert, Hello, PeerMessage } from "../../../src/peer/peer-messages.ts";
import { oneOfEachKind } from "../../fakes/one-of-each-message.ts";

const hello = oneOfEachKind.find((message): message is Hello => message.kind === "hello")!;
const segment = segmentName(7, 7);

function assertRefused(wire: Uint8Array | string, sentence: RegExp): void {
  const bytes = typeof wire === "string" ? Buffer.from(wire.replaceAll(" ", ""), "hex") : wire;
  assert.throws(
    () => decodeEnvelope(bytes),
    (failure) => {
      assert.ok(isQkdError(failure, "REQUEST_INVALID"), String(failure));
      assert.match(failure.message, sentence);
      return true;
    },
  );
}

describe("a message between neighbours is refused", () => {
  it("when it is of no kind, of an unknown one, or of two", () => {
    assertRefused("", /malformed envelope: no kind/);
    assertRefused("6a00", /unknown kind 13/);
    assertRefused("1200 1200", /more than one kind/);
    assertRefused("1200 2a00", /more than one kind/);
  });

  it("when its bytes are no protobuf", () => {
    assertRefused("12", /ends too early/);
    assertRefused("1205 00", /ends too early/);
    assertRefused("1202 0801", /wire type 0 instead of 1/);
    assertRefused("00", /field number 0/);
    assertRefused("13 14", /wire type 3/);
    assertRefused("ff ff ff ff ff ff ff ff ff ff 01", /above 2\^53/);
    assertRefused("12 ff ff ff ff ff ff ff ff 7f", /above 2\^53/);
    assertRefused("1202 1b1c", /wire type 3/);
  });

  it("when a field comes twice", () => {
    assertRefused("12 12 09 0000000000000000 09 0000000000000000", /Heartbeat: demandBytesPerSecond: comes twice/);
  });

  it("when a rate is no rate", () => {
    assertRefused("12 09 09 000000000000f87f", /a rate is a number, 0 or more/); // NaN
    assertRefused("12 09 09 000000000000f07f", /a rate is a number/); // infinite
    assertRefused("12 09 09 000000000000f0bf", /a rate is a number/); // -1
  });

  it("when a name is none, or is missing", () => {
    assertRefused("2a00", /Agreement: segment/);
    assertRefused("2a0a 0a08 0000000000000000 08", /./);
    assertRefused("2a06 0a04 00000000", /Agreement: segment: 4 bytes where 8 to 8 may be/);
    const named = (node: string) => encodeEnvelope({ ...hello, node: node as NodeId });
    for (const node of ["", "A", "a--b", "-a", "a\u00e9", "a/b"])
      assertRefused(named(node), /Hello: node: .*no node id/);
    assertRefused(Buffer.from("62 06 0a04 c3a9c3a9".replaceAll(" ", ""), "hex"), /Control: origin/);
  });

  it("when a reason is unknown or unspecified", () => {
    assertRefused("4a0a 0a08 0000000700000007", /SegmentClosing: reason: 0 is none of exhausted, refused/);
    assertRefused("4a0c 0a08 0000000700000007 1009", /9 is none of/);
  });

  const runs = (first: string, count: number): PeerMessage => ({
    kind: "inventory",
    runs: [{ first: first as QkdKeyId, count }],
  });

  it("when a run is empty, runs over, or stands for too many ids", () => {
    assertRefused(encodeEnvelope(runs("00", 0)), /a run of 0/);
    assertRefused(encodeEnvelope(runs("ff", 2)), /runs over/);
    assertRefused(encodeEnvelope(runs("00".repeat(8), 1_048_577)), /a run of 1048577/);
    const many = { first: "00".repeat(8) as QkdKeyId, count: 1_000_000 };
    assertRefused(encodeEnvelope({ kind: "inventory", runs: [many, many] }), /runs of 2000000 ids in all/);
    const last = segmentName(1, 0xffff_ffff);
    assertRefused(encodeEnvelope({ ...hello, held: [{ first: last, count: 2 }] }), /a run leaves its epoch/);
    decodeEnvelope(encodeEnvelope({ ...hello, held: [{ first: last, count: 1 }] }));
  });

  it("when a list is too long: 64 nodes make a route", () => {
    const route = Buffer.from("120161".repeat(65), "hex"); // 65 times the node "a", in field 2
    const length = Buffer.of((route.length % 128) + 128, Math.floor(route.length / 128));
    assertRefused(Buffer.concat([Buffer.of(0x62), length, route]), /Control: route: comes more than 64 times/);
  });

  it("when an advert names a link twice, too many links, or counts beyond 32 bits", () => {
    const link = (name: string) =>
      ({ neighbour: name as NodeId, state: "up", padBytes: 0, padBytesPerSecond: 0 }) as const;
    const origin = "a" as NodeId;
    const advert: Advert = { kind: "advert", origin, epoch: 1, sequence: 1, ageMs: 0, links: [] };
    assertRefused(encodeEnvelope({ ...advert, links: [link("b"), link("b")] }), /Advert: a link comes twice/);
    assertRefused(encodeEnvelope({ ...advert, epoch: 2 ** 32 }), /Advert: epoch and sequence have 32 bits/);
    assertRefused(encodeEnvelope({ ...advert, sequence: 2 ** 32 }), /Advert: epoch and sequence have 32 bits/);
    const links = Array.from({ length: 65 }, (_, i) => link(`n${i}`));
    assert.throws(() => encodeEnvelope({ ...advert, links }));
  });

  it("when a reason of ending is no plain text", () => {
    assertRefused("7a03 0a01 0a", /a reason is printable ASCII/);
  });
});

describe("a message between neighbours", () => {
  it("may have fields that are not known here: they are skipped", () => {
    const known = "0a08 0000000700000007 1202 aabb";
    const added =
      "8806 05" /* 97, varint */ + "9106 0000000000000000" /* 98 */ + "9a06 01ff" /* 99 */ + "a506 00000000"; /* 100 */
    const content = Buffer.from((known + added).replaceAll(" ", ""), "hex");
    const wire = Buffer.concat([Buffer.from([0x2a, content.length]), content]);
    assert.deepEqual(decodeEnvelope(wire), { kind: "agreement", segment, tag: Uint8Array.of(0xaa, 0xbb) });
  });

  it("may leave out what is zero or empty", () => {
    assert.deepEqual(decodeEnvelope(Buffer.from("1200", "hex")), { kind: "heartbeat", demandBytesPerSecond: 0 });
    assert.deepEqual(decodeEnvelope(Buffer.from("1a00", "hex")), { kind: "inventory", runs: [] });
  });

  it("that is a hello of an earlier version lacks fingerprints, and is read: it is refused for its version", () => {
    const { directory, ...earlier } = hello;
    assert.equal(directory.saes.length, 32);
    const wire = encodeEnvelope(hello);
    const added = 2 + 2 * (2 + 16); // the last field
    const shorter = Buffer.from(wire.subarray(0, wire.length - added));
    const length = wire.length - 3 - added; // behind the kind and a length of two bytes
    shorter.set([(length % 128) + 128, Math.floor(length / 128)], 1);
    assert.deepEqual(decodeEnvelope(shorter), { ...earlier, directory: { saes: "", pairs: "" } });
  });

  it("gives its byte strings as views, without a copy", () => {
    const wire = encodeEnvelope({ kind: "frame", bytes: new Uint8Array(1_000).fill(1) });
    const decoded = decodeEnvelope(wire);
    assert.ok(decoded.kind === "frame" && decoded.bytes.buffer === wire.buffer);
  });

  it("that no neighbour would take is never encoded", () => {
    assert.throws(() => encodeEnvelope({ kind: "frame", bytes: new Uint8Array(262_145) }));
    assert.throws(() => encodeEnvelope({ kind: "agreement", segment: "07" as SegmentName, tag: new Uint8Array(16) }));
    assert.throws(() => encodeEnvelope({ ...hello, wallMs: 1.5 }));
    assert.throws(() => encodeEnvelope({ ...hello, wallMs: -1 }));
  });

  it("ends with a reason that is one line of ASCII, however it was worded", () => {
    assert.equal(reasonForWire("tag\nwrong \u2013 \ud800 again"), "tag?wrong ? ? again");
    assert.equal(reasonForWire("x".repeat(1_000)).length, 200);
    const wire = encodeEnvelope({ kind: "session-ending", reason: reasonForWire("caf\u00e9\u0000") });
    assert.deepEqual(decodeEnvelope(wire), { kind: "session-ending", reason: "caf??" });
  });
});
