/**
 * Bytes to frames and back. All numbers are in network byte order.
 *
 *  offset  0    1    2      3         6        8             8+n      12+n
 *         +----+----+------+---------+--------+-------------+--------+
 *         | F3 | 51 | kind | n (u24) | head   | payload (n) | check  |
 *         +----+----+------+---------+--------+-------------+--------+
 *
 *  head    the low 16 bits of the CRC-32C of bytes 0 to 5, so that noise in the length is found at once
 *  check   the CRC-32C of bytes 0 to 7+n
 *
 * A receiver that meets anything else goes on at the next byte until a whole frame fits again.
 */
import type { MonotonicMs } from "../../src/runtime/clock.ts";
import { crc32c } from "./crc32c.ts";

const SYNC_0 = 0xf3;
const SYNC_1 = 0x51;
const HEADER_BYTES = 8;
const CHECK_BYTES = 4;

/** A key block of 64 KiB with its number and id. */
export const PAYLOAD_BYTES_MAX = 65_536 + 20;
/** What a frame adds to its payload. */
export const FRAME_OVERHEAD_BYTES = HEADER_BYTES + CHECK_BYTES;
const FRAME_BYTES_MAX = PAYLOAD_BYTES_MAX + FRAME_OVERHEAD_BYTES;
/** A frame is sent without pause: one that stops for so long was cut short. */
const FRAME_GAP_MS = 500;
/** Beyond this many bytes checked in vain since the last frame, a false header costs its whole claimed length. */
const VAIN_BYTES_MAX = 1 << 20;

/** The frame's bytes, in memory of their own. The parts of the payload are copied one after the other. */
export function encodeFrame(kind: number, ...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (const part of parts) length += part.length;
  if (length > PAYLOAD_BYTES_MAX) throw new RangeError(`a payload has at most ${PAYLOAD_BYTES_MAX} bytes`);
  const frame = new Uint8Array(new ArrayBuffer(length + FRAME_OVERHEAD_BYTES));
  const view = new DataView(frame.buffer);
  frame[0] = SYNC_0;
  frame[1] = SYNC_1;
  frame[2] = kind;
  frame[3] = length >>> 16;
  view.setUint16(4, length & 0xffff);
  view.setUint16(6, crc32c(frame, 0, 6) & 0xffff);
  let at = HEADER_BYTES;
  for (const part of parts) {
    frame.set(part, at);
    at += part.length;
  }
  view.setUint32(at, crc32c(frame, 0, at));
  return frame;
}

/** Takes one whole frame. `payload` is a view that is overwritten as soon as the call returns. */
export type FrameReceiver = (kind: number, payload: Uint8Array) => void;

/** Finds the frames in a byte stream, however it is cut, in bounded memory. What it has read, it overwrites. */
export class FrameParser {
  readonly #buffer = new Uint8Array(new ArrayBuffer(2 * FRAME_BYTES_MAX));
  readonly #view = new DataView(this.#buffer.buffer);
  #from = 0;
  #to = 0;
  #amidGarbage = false;
  #vainBytes = 0;
  #garbageRuns = 0;
  #crcErrors = 0;
  #bytesAt: MonotonicMs = 0;

  /** Stretches of bytes that were no frame, other than those that began as a frame with a wrong check. */
  get garbageRuns(): number {
    return this.#garbageRuns;
  }

  /** Frames that were whole but for a wrong check. */
  get crcErrors(): number {
    return this.#crcErrors;
  }

  /** Takes the next bytes of the stream, overwrites them, and hands on every frame that they complete. */
  push(bytes: Uint8Array, now: MonotonicMs, receive: FrameReceiver): void {
    if (now - this.#bytesAt > FRAME_GAP_MS) this.#abandonPartial(receive);
    this.#bytesAt = now;
    for (let taken = 0; taken < bytes.length;) {
      if (this.#to === this.#buffer.length) this.#makeRoom();
      const count = Math.min(bytes.length - taken, this.#buffer.length - this.#to);
      this.#buffer.set(bytes.subarray(taken, taken + count), this.#to);
      this.#to += count;
      taken += count;
      while (this.#step(receive));
      if (this.#from === this.#to) this.#from = this.#to = 0;
    }
    bytes.fill(0);
  }

  /** Overwrites what is buffered, and begins anew. */
  clear(): void {
    this.#drop(this.#to - this.#from);
    this.#from = this.#to = 0;
  }

  /** Gives up a frame whose rest does not come: what followed its beginning may hold others. */
  #abandonPartial(receive: FrameReceiver): void {
    if (this.#from < this.#to) this.#skip(1);
    while (this.#step(receive));
  }

  /** One frame, or one stretch of garbage. @returns false when it takes more bytes to go on */
  #step(receive: FrameReceiver): boolean {
    this.#skipToSync();
    const have = this.#to - this.#from;
    if (have < HEADER_BYTES) return false;
    const payloadBytes = this.#payloadBytes();
    if (payloadBytes === undefined) return this.#skip(1);
    const frameBytes = payloadBytes + FRAME_OVERHEAD_BYTES;
    if (have < frameBytes) return false;
    const checked = this.#from + HEADER_BYTES + payloadBytes;
    if (crc32c(this.#buffer, this.#from, checked) !== this.#view.getUint32(checked)) {
      if (!this.#amidGarbage) this.#crcErrors += 1;
      this.#amidGarbage = true;
      this.#vainBytes += frameBytes;
      return this.#skip(this.#vainBytes > VAIN_BYTES_MAX ? frameBytes : 1);
    }
    this.#amidGarbage = false;
    this.#vainBytes = 0;
    try {
      receive(this.#buffer[this.#from + 2]!, this.#buffer.subarray(this.#from + HEADER_BYTES, checked));
    } finally {
      this.#drop(frameBytes);
    }
    return true;
  }

  /** Leaves the start of the buffer at a sync mark, or at a last byte that may be half of one. */
  #skipToSync(): void {
    const pending = this.#buffer.subarray(this.#from, this.#to);
    for (let at = 0; ; at++) {
      at = pending.indexOf(SYNC_0, at);
      if (at < 0) at = pending.length;
      if (at < pending.length - 1 && pending[at + 1] !== SYNC_1) continue;
      if (at > 0) this.#skip(at);
      return;
    }
  }

  /** What the header says; undefined for one that is none. */
  #payloadBytes(): number | undefined {
    const at = this.#from;
    const length = (this.#buffer[at + 3]! << 16) | this.#view.getUint16(at + 4);
    const headIsRight = this.#view.getUint16(at + 6) === (crc32c(this.#buffer, at, at + 6) & 0xffff);
    return headIsRight && length <= PAYLOAD_BYTES_MAX ? length : undefined;
  }

  #skip(count: number): true {
    if (!this.#amidGarbage) this.#garbageRuns += 1;
    this.#amidGarbage = true;
    this.#drop(count);
    return true;
  }

  #drop(count: number): void {
    this.#buffer.fill(0, this.#from, this.#from + count);
    this.#from += count;
  }

  /** What is left is less than a frame, so half of the buffer at least gets free. */
  #makeRoom(): void {
    const rest = this.#to - this.#from;
    this.#buffer.copyWithin(0, this.#from, this.#to);
    this.#buffer.fill(0, rest, this.#to);
    this.#from = 0;
    this.#to = rest;
  }
}
