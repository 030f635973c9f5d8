/** Frames on a line: found however they are cut, whatever lies between them, and overwritten once read. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { crc32c } from "../../../../drivers/serial-frame/crc32c.ts";
import { FrameParser, PAYLOAD_BYTES_MAX, encodeFrame } from "../../../../drivers/serial-frame/frame.ts";

interface Found {
  readonly kind: number;
  readonly payload: Uint8Array;
}

function parse(parser: FrameParser, bytes: Uint8Array, now = 0): Found[] {
  const found: Found[] = [];
  parser.push(bytes, now, (kind, payload) => found.push({ kind, payload: payload.slice() }));
  return found;
}

const joined = (...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array =>
  new Uint8Array(Buffer.concat(parts.map((part) => Uint8Array.from(part))));

/** Bytes 0, 1, 2 … that hold no sync mark. */
const counting = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i % 0xf0);

describe("CRC-32C", () => {
  it("is that of RFC 3720", () => {
    const check = (bytes: Uint8Array | readonly number[]): string => crc32c(Uint8Array.from(bytes)).toString(16);
    assert.equal(check(new TextEncoder().encode("123456789")), "e3069283");
    assert.equal(check(new Uint8Array(32)), "8a9136aa");
    assert.equal(check(new Uint8Array(32).fill(0xff)), "62a8ab43");
    assert.equal(check(Uint8Array.from({ length: 32 }, (_, i) => i)), "46dd794e");
    assert.equal(check([]), "0");
  });
});

describe("a frame", () => {
  it("comes out as it went in, from nothing to the longest payload", () => {
    for (const length of [0, 1, 7, 8, 9, 4096, PAYLOAD_BYTES_MAX]) {
      const parser = new FrameParser();
      const payload = counting(length);
      assert.deepEqual(parse(parser, encodeFrame(0x83, payload)), [{ kind: 0x83, payload }]);
      assert.deepEqual([parser.garbageRuns, parser.crcErrors], [0, 0]);
    }
    assert.throws(() => encodeFrame(1, counting(PAYLOAD_BYTES_MAX), counting(1)), RangeError);
  });

  it("is overwritten on the line and in the parser once it was read", () => {
    const line = encodeFrame(0x83, counting(100));
    let view: Uint8Array | undefined;
    new FrameParser().push(line, 0, (_, payload) => (view = payload));
    assert.ok(line.every((byte) => byte === 0));
    assert.ok(view!.every((byte) => byte === 0));
  });

  it("is found after noise, which counts as one stretch", () => {
    const parser = new FrameParser();
    const bytes = joined(counting(500), [0xf3, 0x51, 0xf3], encodeFrame(1, counting(9)), encodeFrame(2));
    assert.deepEqual(
      parse(parser, bytes).map(({ kind }) => kind),
      [1, 2],
    );
    assert.deepEqual([parser.garbageRuns, parser.crcErrors], [1, 0]);
  });

  it("is found when the one before it was damaged in any byte", () => {
    const damaged = encodeFrame(7, counting(40));
    for (let at = 0; at < damaged.length; at++) {
      const parser = new FrameParser();
      const bytes = damaged.slice();
      bytes[at]! ^= 0x10;
      const found = parse(parser, joined(bytes, encodeFrame(1), encodeFrame(2)));
      assert.deepEqual(
        found.map(({ kind }) => kind),
        [1, 2],
        `byte ${at}`,
      );
      assert.equal(parser.garbageRuns + parser.crcErrors, 1, `byte ${at}`);
      const isInHeader = at < 8;
      assert.equal(parser.crcErrors, isInHeader ? 0 : 1, `byte ${at}`);
    }
  });

  it("is found when noise broke into the one before it", () => {
    const parser = new FrameParser();
    const broken = encodeFrame(7, counting(400));
    const found = parse(parser, joined(broken.subarray(0, 200), counting(33), broken.subarray(200), encodeFrame(1)));
    assert.deepEqual(
      found.map(({ kind }) => kind),
      [1],
    );
    assert.equal(parser.crcErrors, 1);
  });

  it("is given up when its rest does not come, so that it does not swallow the next", () => {
    const parser = new FrameParser();
    assert.deepEqual(parse(parser, encodeFrame(7, counting(60_000)).subarray(0, 30_000), 0), []);
    assert.deepEqual(parse(parser, encodeFrame(1), 400), [], "it may still be its rest");
    assert.deepEqual(
      parse(parser, encodeFrame(2), 1000).map(({ kind }) => kind),
      [1, 2],
    );
  });

  it("is found behind a flood of false headers, without reading them over and over", () => {
    // Each header claims 65,000 bytes, and there is one every eight bytes: checking them all would take half a gigabyte.
    const header = encodeFrame(9, counting(65_000)).slice(0, 8);
    const flood = new Uint8Array(1 << 20);
    for (let at = 0; at < flood.length; at += header.length) flood.set(header, at);
    const parser = new FrameParser();
    const since = process.cpuUsage();
    assert.deepEqual(parse(parser, flood), []);
    const { user, system } = process.cpuUsage(since);
    assert.ok(user + system < 2_000_000, `${(user + system) / 1000} ms`);
    const found = [...parse(parser, new Uint8Array(70_000)), ...parse(parser, encodeFrame(1))];
    assert.deepEqual(
      found.map(({ kind }) => kind),
      [1],
    );
  });
});

describe("the parser", () => {
  it("reads more than a hundred megabytes a second", () => {
    const parser = new FrameParser();
    const frame = encodeFrame(0x83, counting(32_788));
    let read = 0;
    const pass = (): void => parser.push(frame.slice(), 0, (_, payload) => (read += payload.length));
    for (let i = 0; i < 300; i++) pass();
    read = 0;
    const since = process.cpuUsage();
    for (let i = 0; i < 600; i++) pass();
    const { user, system } = process.cpuUsage(since);
    assert.ok(read / (user + system) > 100, `${(read / (user + system)).toFixed(0)} MB/s`);
  });
});
