/** Fixed byte layouts, written and read in network byte order: one encoding for one meaning, as tagged bytes need. */
import { QkdError } from "./errors.ts";

const UINT32_RANGE = 0x1_0000_0000;

export class ByteWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #length = 0;

  constructor(capacityBytes = 256) {
    this.#bytes = new Uint8Array(new ArrayBuffer(capacityBytes));
    this.#view = new DataView(this.#bytes.buffer);
  }

  get lengthBytes(): number {
    return this.#length;
  }

  u8(value: number): this {
    const at = this.#grow(1); // first: growing replaces the view
    this.#view.setUint8(at, value);
    return this;
  }

  u16(value: number): this {
    const at = this.#grow(2);
    this.#view.setUint16(at, value);
    return this;
  }

  u32(value: number): this {
    const at = this.#grow(4);
    this.#view.setUint32(at, value);
    return this;
  }

  /** A whole number below 2^53. */
  u64(value: number): this {
    const at = this.#grow(8);
    this.#view.setUint32(at, Math.floor(value / UINT32_RANGE));
    this.#view.setUint32(at + 4, value % UINT32_RANGE);
    return this;
  }

  bytes(bytes: Uint8Array): this {
    const at = this.#grow(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  /** Length (u16) and bytes. */
  counted(bytes: Uint8Array): this {
    if (bytes.length > 0xffff) throw new RangeError("a counted field holds at most 65,535 bytes");
    return this.u16(bytes.length).bytes(bytes);
  }

  /** Length (u16) and UTF-8 bytes. */
  text(text: string): this {
    return this.counted(new TextEncoder().encode(text));
  }

  hex(hex: string): this {
    return this.bytes(bytesOfHex(hex));
  }

  /** Room for `length` bytes, to be filled in place. Valid until the next write. */
  room(length: number): Uint8Array<ArrayBuffer> {
    const at = this.#grow(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** What was written, without a copy; the writer must not be used after. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  #grow(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(new ArrayBuffer(Math.max(this.#length, 2 * this.#bytes.length)));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }
}

/** Reads what a `ByteWriter` wrote. Every read past the end throws REQUEST_INVALID, naming the layout. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #layout: string;
  #at = 0;

  constructor(bytes: Uint8Array, layout: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#layout = layout;
  }

  get remainingBytes(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2));
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  u64(): number {
    const at = this.#take(8);
    const value = this.#view.getUint32(at) * UINT32_RANGE + this.#view.getUint32(at + 4);
    if (!Number.isSafeInteger(value)) throw this.#malformed("a number above 2^53");
    return value;
  }

  /** A view, not a copy. */
  bytes(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  counted(): Uint8Array {
    return this.bytes(this.u16());
  }

  text(): string {
    const bytes = this.counted();
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      throw this.#malformed("text that is no UTF-8");
    }
  }

  hex(length: number): string {
    return hexOfBytes(this.bytes(length));
  }

  /** @throws QkdError REQUEST_INVALID when bytes are left over: one meaning has one encoding */
  end(): void {
    if (this.remainingBytes !== 0) throw this.#malformed(`${this.remainingBytes} bytes left over`);
  }

  #take(count: number): number {
    if (count > this.remainingBytes) throw this.#malformed("ends too early");
    const at = this.#at;
    this.#at += count;
    return at;
  }

  #malformed(reason: string): QkdError {
    return new QkdError("REQUEST_INVALID", `malformed ${this.#layout}: ${reason}`, { layout: this.#layout });
  }
}

const HEX_OF_BYTE: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** For names and ids; never for key material, because a string cannot be erased. */
export function hexOfBytes(bytes: Uint8Array): string {
  let hex = "";
  for (let i = 0; i < bytes.length; i++) hex += HEX_OF_BYTE[bytes[i]!]!;
  return hex;
}

export function bytesOfHex(hex: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(new ArrayBuffer(hex.length >>> 1));
  let wrong = hex.length & 1;
  for (let i = 0; i < bytes.length; i++) {
    const high = hexDigit(hex.charCodeAt(2 * i));
    const low = hexDigit(hex.charCodeAt(2 * i + 1));
    wrong |= (high | low) >>> 4;
    bytes[i] = (high << 4) | low;
  }
  if (wrong !== 0) throw new QkdError("REQUEST_INVALID", "not lower-case hex", { characters: hex.length });
  return bytes;
}

/** 0 to 15; 16 for what is no lower-case hex digit. */
function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  return code >= 0x61 && code <= 0x66 ? code - 0x57 : 16;
}
