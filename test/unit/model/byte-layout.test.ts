import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ByteReader, ByteWriter, bytesOfHex, hexOfBytes } from "../../../src/model/byte-layout.ts";
import { isQkdError } from "../../../src/model/errors.ts";

const invalid = (failure: unknown): boolean => isQkdError(failure, "REQUEST_INVALID");
const readerOf = (...bytes: number[]): ByteReader => new ByteReader(Uint8Array.from(bytes), "sample");

describe("byte layouts", () => {
  it("are in network byte order", () => {
    const bytes = new ByteWriter(1).u8(1).u16(0x0203).u32(0x04050607).u64(0x08_090a0b0c0d).text("é").hex("ff").finish();
    assert.equal(hexOfBytes(bytes), "01020304050607" + "0000" + "08090a0b0c0d" + "0002c3a9" + "ff");
  });

  it("give back what was written, and nothing is left over", () => {
    const counted = new Uint8Array(300).fill(9);
    const bytes = new ByteWriter().u64(Number.MAX_SAFE_INTEGER).counted(counted).text("").text("\ufeffx").finish();
    const reader = new ByteReader(bytes, "sample");
    assert.equal(reader.u64(), Number.MAX_SAFE_INTEGER);
    assert.deepEqual(reader.counted(), counted);
    assert.equal(reader.text(), "");
    assert.equal(reader.text(), "\ufeffx", "a byte order mark is text as any other: one meaning has one encoding");
    reader.end();
  });

  it("that end too early, go on too long or hold no text are refused by name", () => {
    assert.throws(() => readerOf(1).u16(), /malformed sample: ends too early/);
    assert.throws(() => readerOf(0, 9, 1).counted(), invalid);
    assert.throws(() => readerOf(1, 2).end(), /2 bytes left over/);
    assert.throws(() => readerOf(0xff, 0, 0, 0, 0, 0, 0, 0).u64(), invalid);
    assert.throws(() => readerOf(0, 2, 0xc3, 0x28).text(), invalid, "bytes that are no UTF-8");
  });

  it("hex is lower-case, whole bytes, nothing else", () => {
    assert.equal(hexOfBytes(bytesOfHex("00ff10")), "00ff10");
    for (const bad of ["0", "0G", "FF", "0x00", " 00"]) assert.throws(() => bytesOfHex(bad), invalid, bad);
  });

  it("a counted field that could not be read back is not written", () => {
    assert.throws(() => new ByteWriter().counted(new Uint8Array(65_536)), RangeError);
  });
});
