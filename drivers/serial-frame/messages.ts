/** The payloads of the frames: what a host and a module say to each other. Drawn byte by byte in README.md. */
import { ByteReader, ByteWriter } from "../../src/model/byte-layout.ts";
import { QkdError, sentenceOf } from "../../src/model/errors.ts";
import type { QkdKeyId } from "../../src/model/ids.ts";
import type { QkdModuleStatus } from "../../src/driver/qkd-driver.ts";
import { encodeFrame } from "./frame.ts";

/** The one version there is so far. Later ones may add to the ends of `hello` and `identity`, and change the rest. */
export const PROTOCOL_VERSION = 1;
export const NONCE_BYTES = 8;
export const KEY_ID_BYTES = 16;
export const BLOCK_BYTES_MAX = 65_536;

/** Kinds of frames. Those of a module have the top bit set, so that a line that only echoes is told at once. */
export const KIND = {
  hello: 0x01,
  resume: 0x02,
  acknowledge: 0x03,
  hostHeartbeat: 0x05,
  identity: 0x81,
  resumed: 0x82,
  key: 0x83,
  status: 0x84,
  moduleHeartbeat: 0x85,
  error: 0x86,
} as const;

export const FROM_MODULE_BIT = 0x80;

export type HostMessage =
  | { readonly kind: "hello"; readonly versionMin: number; readonly versionMax: number; readonly nonce: string }
  | {
      readonly kind: "resume";
      readonly nonce: string;
      /** Key bytes that the module may have sent and not yet seen acknowledged. */
      readonly windowBytes: number;
      /** Stored by the host: the module forgets this one and those before. */
      readonly stored: QkdKeyId | undefined;
      /** In the host's memory: the module goes on after this one. */
      readonly received: QkdKeyId | undefined;
    }
  | { readonly kind: "acknowledge"; readonly stored: QkdKeyId }
  | { readonly kind: "heartbeat" };

export type ModuleMessage =
  | {
      readonly kind: "identity";
      /** The version that both speak; 0 where there is none. */
      readonly version: number;
      readonly versionMin: number;
      readonly versionMax: number;
      readonly nonce: string;
      readonly vendor: string;
      readonly model: string;
      readonly serialNumber: string;
    }
  | { readonly kind: "resumed"; readonly nonce: string }
  | {
      readonly kind: "key";
      /** Counts the keys since the last `resumed`, from 0: a gap shows that one was damaged on the line. */
      readonly sequence: number;
      readonly id: QkdKeyId;
      /** A view into the line's buffer. */
      readonly bytes: Uint8Array;
    }
  | { readonly kind: "status"; readonly status: QkdModuleStatus }
  /** `sequence` is that of the next key: a gap after the last key shows, too. */
  | { readonly kind: "heartbeat"; readonly sequence: number }
  | { readonly kind: "error"; readonly code: number; readonly reason: string };

const STATES = ["aligning", "generating", "faulty"] as const;
const HAS_QBER = 1;
const HAS_RATE = 2;
const QBER_PARTS = 1_000_000_000;

export function encodeHostMessage(message: HostMessage): Uint8Array<ArrayBuffer> {
  const payload = new ByteWriter(64);
  switch (message.kind) {
    case "hello":
      payload.u8(message.versionMin).u8(message.versionMax).hex(message.nonce);
      return encodeFrame(KIND.hello, payload.finish());
    case "resume":
      payload.hex(message.nonce).u32(message.windowBytes);
      writeOptionalId(payload, message.stored);
      writeOptionalId(payload, message.received);
      return encodeFrame(KIND.resume, payload.finish());
    case "acknowledge":
      return encodeFrame(KIND.acknowledge, payload.hex(message.stored).finish());
    case "heartbeat":
      return encodeFrame(KIND.hostHeartbeat);
  }
}

export function encodeModuleMessage(message: ModuleMessage): Uint8Array<ArrayBuffer> {
  const payload = new ByteWriter(64);
  switch (message.kind) {
    case "identity":
      payload.u8(message.version).u8(message.versionMin).u8(message.versionMax).hex(message.nonce);
      payload.text(message.vendor).text(message.model).text(message.serialNumber);
      return encodeFrame(KIND.identity, payload.finish());
    case "resumed":
      return encodeFrame(KIND.resumed, payload.hex(message.nonce).finish());
    case "key":
      return encodeFrame(KIND.key, payload.u32(message.sequence).hex(message.id).finish(), message.bytes);
    case "status":
      return encodeFrame(KIND.status, encodeStatus(payload, message.status));
    case "heartbeat":
      return encodeFrame(KIND.moduleHeartbeat, payload.u32(message.sequence).finish());
    case "error":
      return encodeFrame(KIND.error, payload.u8(message.code).text(message.reason).finish());
  }
}

/** @throws QkdError REQUEST_INVALID for a kind of no host, or a payload that is not that kind's */
export function decodeHostMessage(kind: number, payload: Uint8Array): HostMessage {
  return decode(`frame of kind ${kind}`, payload, (reader): HostMessage => {
    switch (kind) {
      case KIND.hello:
        return withoutEnd(reader, {
          kind: "hello",
          versionMin: reader.u8(),
          versionMax: reader.u8(),
          nonce: reader.hex(NONCE_BYTES),
        });
      case KIND.resume:
        return {
          kind: "resume",
          nonce: reader.hex(NONCE_BYTES),
          windowBytes: reader.u32(),
          stored: readOptionalId(reader),
          received: readOptionalId(reader),
        };
      case KIND.acknowledge:
        return { kind: "acknowledge", stored: readId(reader) };
      case KIND.hostHeartbeat:
        return { kind: "heartbeat" };
      default:
        throw new RangeError("no host sends it");
    }
  });
}

/** @throws QkdError REQUEST_INVALID for a kind of no module, or a payload that is not that kind's */
export function decodeModuleMessage(kind: number, payload: Uint8Array): ModuleMessage {
  return decode(`frame of kind ${kind}`, payload, (reader): ModuleMessage => {
    switch (kind) {
      case KIND.identity:
        return withoutEnd(reader, {
          kind: "identity",
          version: reader.u8(),
          versionMin: reader.u8(),
          versionMax: reader.u8(),
          nonce: reader.hex(NONCE_BYTES),
          vendor: printable(reader.text()),
          model: printable(reader.text()),
          serialNumber: printable(reader.text()),
        });
      case KIND.resumed:
        return { kind: "resumed", nonce: reader.hex(NONCE_BYTES) };
      case KIND.key:
        return {
          kind: "key",
          sequence: reader.u32(),
          id: readId(reader),
          bytes: reader.bytes(reader.remainingBytes),
        };
      case KIND.status:
        return { kind: "status", status: decodeStatus(reader) };
      case KIND.moduleHeartbeat:
        return { kind: "heartbeat", sequence: reader.u32() };
      case KIND.error:
        return { kind: "error", code: reader.u8(), reason: printable(reader.text()) };
      default:
        throw new RangeError("no module sends it");
    }
  });
}

function decode<Message>(layout: string, payload: Uint8Array, read: (reader: ByteReader) => Message): Message {
  const reader = new ByteReader(payload, layout);
  try {
    const message = read(reader);
    reader.end();
    return message;
  } catch (error) {
    if (error instanceof QkdError) throw error;
    throw new QkdError("REQUEST_INVALID", `malformed ${layout}: ${sentenceOf(error)}`, { layout });
  }
}

/** What a later version added is passed over. */
function withoutEnd<Message>(reader: ByteReader, message: Message): Message {
  reader.bytes(reader.remainingBytes);
  return message;
}

/** state u8 | has u8 (1 QBER, 2 rate) | QBER u32, in 1e-9 | rate u64, bit/s | reason text (empty: none) */
function encodeStatus(payload: ByteWriter, status: QkdModuleStatus): Uint8Array {
  const has = (status.qber === undefined ? 0 : HAS_QBER) + (status.secretKeyRateBps === undefined ? 0 : HAS_RATE);
  payload.u8(STATES.indexOf(status.state)).u8(has);
  payload.u32(Math.round((status.qber ?? 0) * QBER_PARTS)).u64(Math.round(status.secretKeyRateBps ?? 0));
  return payload.text(status.reason ?? "").finish();
}

function decodeStatus(reader: ByteReader): QkdModuleStatus {
  const state = STATES[reader.u8()];
  const has = reader.u8();
  const qber = reader.u32() / QBER_PARTS;
  const secretKeyRateBps = reader.u64();
  const reason = printable(reader.text());
  if (state === undefined || has > HAS_QBER + HAS_RATE || qber > 1) throw new RangeError("no such status");
  return {
    state,
    ...((has & HAS_QBER) === 0 ? {} : { qber }),
    ...((has & HAS_RATE) === 0 ? {} : { secretKeyRateBps }),
    ...(reason === "" ? {} : { reason }),
  };
}

const readId = (reader: ByteReader): QkdKeyId => reader.hex(KEY_ID_BYTES) as QkdKeyId;

function readOptionalId(reader: ByteReader): QkdKeyId | undefined {
  const count = reader.u8();
  if (count > 1) throw new RangeError("an id is there or not");
  return count === 0 ? undefined : readId(reader);
}

function writeOptionalId(payload: ByteWriter, id: QkdKeyId | undefined): void {
  if (id === undefined) payload.u8(0);
  else payload.u8(1).hex(id);
}

const TEXT_CHARACTERS_MAX = 200;

/** A module's text goes into logs and pages: no control characters, no end without end. */
function printable(text: string): string {
  return text.replace(/\p{C}/gu, "?").slice(0, TEXT_CHARACTERS_MAX);
}
