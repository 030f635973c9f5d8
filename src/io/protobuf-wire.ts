/**
 * Protocol buffers on the wire, the part that Kx needs: varints, doubles, and fields with a length.
 *
 * Our own instead of a package, because protobufjs (below @grpc/proto-loader) compiles its codecs at run time, which
 * `--disallow-code-generation-from-strings` forbids to the daemon, and because it decodes a whole message into objects
 * before anyone can ask how many there are. Here nothing is read that the reader did not ask for.
 *
 * @see https://protobuf.dev/programming-guides/encoding/
 */
import { assert } from "../model/assert.ts";
import { QkdError } from "../model/errors.ts";

export const VARINT = 0;
export const FIXED64 = 1;
export const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

export type WireType = typeof VARINT | typeof FIXED64 | typeof LENGTH_DELIMITED;

export class ProtobufWriter {
  #bytes: Buffer;
  #length = 0;

  constructor(capacityBytes: number) {
    this.#bytes = Buffer.allocUnsafe(capacityBytes);
  }

  tag(fieldNumber: number, wireType: WireType): void {
    this.varint(fieldNumber * 8 + wireType);
  }

  /** A whole number below 2^53. */
  varint(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, "a varint field holds a whole number, 0 to 2^53 - 1");
    const size = varintBytes(value);
    const at = this.#grow(size);
    this.#putVarint(at, size, value);
  }

  fixed64(value: number): void {
    const at = this.#grow(8);
    this.#bytes.writeDoubleLE(value, at);
  }

  lengthDelimited(bytes: Uint8Array): void {
    this.varint(bytes.length);
    const at = this.#grow(bytes.length);
    this.#bytes.set(bytes, at);
  }

  /** What `write` writes, with its length before it. */
  nested(write: () => void): void {
    const lengthAt = this.#grow(1);
    write();
    const size = this.#length - lengthAt - 1;
    const lengthBytes = varintBytes(size);
    if (lengthBytes > 1) {
      this.#grow(lengthBytes - 1);
      this.#bytes.copyWithin(lengthAt + lengthBytes, lengthAt + 1, lengthAt + 1 + size);
    }
    this.#putVarint(lengthAt, lengthBytes, size);
  }

  /** What was written, without a copy; the writer must not be used after. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  #putVarint(at: number, size: number, value: number): void {
    for (let i = 0; i < size; i++) {
      this.#bytes[at + i] = (value % 128) + (i < size - 1 ? 128 : 0);
      value = Math.floor(value / 128);
    }
  }

  #grow(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#length, 2 * this.#bytes.length));
      larger.set(this.#bytes.subarray(0, at));
      this.#bytes = larger;
    }
    return at;
  }
}

function varintBytes(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size += 1;
  return size;
}

/** Bytes that are not the message they should be; says which message, and what is wrong. */
export class MalformedMessage extends QkdError {
  constructor(message: string, reason: string) {
    super("REQUEST_INVALID", `malformed ${message}: ${reason}`, { message });
  }
}

/** Reads one message, field by field. @throws MalformedMessage from each of its functions */
export class ProtobufReader {
  readonly #bytes: Uint8Array;
  readonly #message: string;
  #at: number;
  readonly #end: number;
  #fieldNumber = 0;
  #wireType = 0;

  constructor(bytes: Uint8Array, message: string, from = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#message = message;
    this.#at = from;
    this.#end = end;
  }

  /** Goes to the next field. Returns its number, and 0 at the end of the message. */
  next(): number {
    if (this.#at === this.#end) return 0;
    const tag = this.#readVarint();
    this.#fieldNumber = Math.floor(tag / 8);
    this.#wireType = tag % 8;
    if (this.#fieldNumber === 0) throw this.malformed("field number 0");
    return this.#fieldNumber;
  }

  varint(): number {
    this.#expect(VARINT);
    return this.#readVarint();
  }

  fixed64(): number {
    this.#expect(FIXED64);
    const at = this.#take(8);
    return new DataView(this.#bytes.buffer, this.#bytes.byteOffset + at, 8).getFloat64(0, true);
  }

  /** A view of the message, not a copy. */
  lengthDelimited(): Uint8Array {
    const { from, end } = this.#extent();
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + from, end - from);
  }

  /** The field as a message of its own. */
  nested(message: string): ProtobufReader {
    const { from, end } = this.#extent();
    return new ProtobufReader(this.#bytes, message, from, end);
  }

  /** Goes over a field that nobody here knows. */
  skip(): void {
    switch (this.#wireType) {
      case VARINT:
        this.#readVarint();
        break;
      case FIXED64:
        this.#take(8);
        break;
      case FIXED32:
        this.#take(4);
        break;
      default:
        this.#extent();
    }
  }

  malformed(reason: string): MalformedMessage {
    return new MalformedMessage(this.#message, reason);
  }

  #expect(wireType: WireType): void {
    if (this.#wireType !== wireType) {
      throw this.malformed(`field ${this.#fieldNumber} has wire type ${this.#wireType} instead of ${wireType}`);
    }
  }

  #extent(): { readonly from: number; readonly end: number } {
    this.#expect(LENGTH_DELIMITED);
    const length = this.#readVarint();
    const from = this.#take(length);
    return { from, end: from + length };
  }

  #readVarint(): number {
    let value = 0;
    for (let scale = 1; scale <= Number.MAX_SAFE_INTEGER; scale *= 128) {
      const byte = this.#bytes[this.#take(1)]!;
      value += (byte % 128) * scale;
      if (byte < 128) {
        if (!Number.isSafeInteger(value)) break;
        return value;
      }
    }
    throw this.malformed("a number above 2^53");
  }

  #take(count: number): number {
    if (count > this.#end - this.#at) throw this.malformed("ends too early");
    const at = this.#at;
    this.#at += count;
    return at;
  }
}
