/** Laws of the serial frame: any cut gives the same frames, and noise neither makes nor hides one. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { FrameParser, encodeFrame } from "../../drivers/serial-frame/frame.ts";
import {
  decodeHostMessage,
  decodeModuleMessage,
  encodeHostMessage,
  encodeModuleMessage,
  type HostMessage,
  type ModuleMessage,
} from "../../drivers/serial-frame/messages.ts";
import { isQkdError } from "../../src/model/errors.ts";
import type { QkdKeyId } from "../../src/model/ids.ts";

interface Sent {
  readonly kind: number;
  readonly payload: Uint8Array;
}

/** As our own code makes objects. */
const record = <Fields extends object>(fields: { [Name in keyof Fields]: fc.Arbitrary<Fields[Name]> }) =>
  fc.record(fields, { noNullPrototype: true });

const frames = fc.array(record({ kind: fc.nat(255), payload: fc.uint8Array({ maxLength: 300, size: "max" }) }), {
  minLength: 1,
  maxLength: 8,
});
/** Noise with many sync marks in it. */
const noise = fc.array(fc.oneof(fc.constantFrom(0xf3, 0x51), fc.nat(255)), { maxLength: 60 });

/** Pushes the bytes in pieces of the given sizes, over and over. */
function parse(bytes: Uint8Array, sizes: readonly number[]): { readonly found: Sent[]; readonly parser: FrameParser } {
  const parser = new FrameParser();
  const found: Sent[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length]!;
    parser.push(bytes.slice(at, at + size), 0, (kind, payload) => found.push({ kind, payload: payload.slice() }));
    at += size;
  }
  return { found, parser };
}

const sizes = fc.array(fc.integer({ min: 1, max: 97 }), { minLength: 1, maxLength: 7 });

describe("any cut of the line", () => {
  it("gives the same frames", () => {
    fc.assert(
      fc.property(frames, sizes, (sent, cut) => {
        const line = Buffer.concat(sent.map(({ kind, payload }) => encodeFrame(kind, payload)));
        const { found, parser } = parse(line, cut);
        assert.deepEqual(found, sent);
        assert.deepEqual([parser.garbageRuns, parser.crcErrors], [0, 0]);
      }),
    );
  });
});

describe("noise between frames", () => {
  it("never makes one that was not sent, and never hides one for longer than it lasts", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(noise, frames), { maxLength: 5 }), sizes, (stretches, cut) => {
        const sent = stretches.flatMap(([, each]) => each);
        const line = Buffer.concat(
          stretches.flatMap(([bytes, each]) => [
            Buffer.from(bytes),
            ...each.map(({ kind, payload }) => encodeFrame(kind, payload)),
          ]),
        );
        assert.deepEqual(parse(line, cut).found, sent);
      }),
      { numRuns: 300 },
    );
  });
});

describe("a frame with a damaged byte", () => {
  it("is not taken for another, and the frames around it are found", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 80 }),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        sizes,
        (payload, place, change, cut) => {
          const damaged = encodeFrame(0x83, payload);
          damaged[place % damaged.length]! ^= change;
          const { found } = parse(Buffer.concat([encodeFrame(1), damaged, encodeFrame(2), encodeFrame(3)]), cut);
          assert.deepEqual(
            found.map(({ kind }) => kind),
            [1, 2, 3],
          );
        },
      ),
      { numRuns: 300 },
    );
  });
});

const hexOf = (bytes: number) =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((array) => Buffer.from(array).toString("hex"));
const nonce = hexOf(8);
const id = hexOf(16).map((hex) => hex as QkdKeyId);
const u8 = fc.nat(255);
const u32 = fc.nat(0xffff_ffff);
const word = fc.string({ unit: fc.constantFrom(..."abcXYZ019 -./:äß測"), maxLength: 60 });

const hostMessage: fc.Arbitrary<HostMessage> = fc.oneof(
  record({ kind: fc.constant("hello" as const), versionMin: u8, versionMax: u8, nonce }),
  record({
    kind: fc.constant("resume" as const),
    nonce,
    windowBytes: u32,
    stored: fc.option(id, { nil: undefined }),
    received: fc.option(id, { nil: undefined }),
  }),
  record({ kind: fc.constant("acknowledge" as const), stored: id }),
  record({ kind: fc.constant("heartbeat" as const) }),
);

const moduleMessage: fc.Arbitrary<ModuleMessage> = fc.oneof(
  record({
    kind: fc.constant("identity" as const),
    version: u8,
    versionMin: u8,
    versionMax: u8,
    nonce,
    vendor: word,
    model: word,
    serialNumber: word,
  }),
  record({ kind: fc.constant("resumed" as const), nonce }),
  record({ kind: fc.constant("key" as const), sequence: u32, id, bytes: fc.uint8Array({ maxLength: 200 }) }),
  record({
    kind: fc.constant("status" as const),
    status: fc.record(
      {
        state: fc.constantFrom("aligning" as const, "generating" as const, "faulty" as const),
        qber: fc.nat(1000).map((parts) => parts / 1000),
        secretKeyRateBps: fc.nat(Number.MAX_SAFE_INTEGER),
        reason: word.filter((text) => text !== ""),
      },
      { requiredKeys: ["state"], noNullPrototype: true },
    ),
  }),
  record({ kind: fc.constant("heartbeat" as const), sequence: u32 }),
  record({ kind: fc.constant("error" as const), code: u8, reason: word }),
);

const only = (frame: Uint8Array): Sent => parse(frame, [frame.length]).found[0]!;

describe("a message", () => {
  it("of a host is read as it was written", () => {
    fc.assert(
      fc.property(hostMessage, (message) => {
        const { kind, payload } = only(encodeHostMessage(message));
        assert.deepEqual(decodeHostMessage(kind, payload), message);
      }),
    );
  });

  it("of a module is read as it was written", () => {
    fc.assert(
      fc.property(moduleMessage, (message) => {
        const { kind, payload } = only(encodeModuleMessage(message));
        assert.deepEqual(decodeModuleMessage(kind, payload), message);
      }),
    );
  });

  it("is never read from bytes that are none, and reading them fails with REQUEST_INVALID only", () => {
    fc.assert(
      fc.property(fc.nat(255), fc.uint8Array({ maxLength: 60 }), (kind, payload) => {
        for (const decode of [decodeHostMessage, decodeModuleMessage]) {
          try {
            decode(kind, payload);
          } catch (error) {
            assert.ok(isQkdError(error, "REQUEST_INVALID"), String(error));
          }
        }
      }),
      { numRuns: 1000 },
    );
  });
});
