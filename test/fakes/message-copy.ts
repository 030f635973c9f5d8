/** Messages on a simulated wire: copied, measured and hashed by their structure, without any encoding of the wire's. */
import type { PeerMessage } from "../../src/peer/peer-messages.ts";
import type { Trace } from "./trace.ts";

const OVERHEAD_BYTES = 16; // the framing of HTTP/2 and gRPC
const FIELD_BYTES = 2; // tag and length
const NUMBER_BYTES = 5;

/** A message that shares no memory with the one that was sent: its sender may erase or reuse what it sent. */
export function copyOfMessage(message: PeerMessage): PeerMessage {
  return copyOf(message) as PeerMessage;
}

/** About what the message takes on a wire. */
export function messageSizeBytes(message: PeerMessage): number {
  return OVERHEAD_BYTES + sizeOf(message);
}

/** Feeds every field of a message to the trace's hash. */
export function traceMessage(trace: Trace, message: PeerMessage): void {
  feed(trace, message);
}

function copyOf(value: unknown): unknown {
  if (value instanceof Uint8Array) {
    const bytes = new Uint8Array(new ArrayBuffer(value.length));
    bytes.set(value);
    return bytes;
  }
  if (Array.isArray(value)) return value.map(copyOf);
  if (typeof value !== "object" || value === null) return value;
  const copy: Record<string, unknown> = {};
  for (const [field, part] of Object.entries(value)) copy[field] = copyOf(part);
  return copy;
}

function sizeOf(value: unknown): number {
  if (value instanceof Uint8Array) return FIELD_BYTES + value.length;
  if (typeof value === "string") return FIELD_BYTES + value.length;
  if (typeof value !== "object" || value === null) return NUMBER_BYTES;
  let size = FIELD_BYTES;
  for (const part of Object.values(value) as unknown[]) size += sizeOf(part);
  return size;
}

function feed(trace: Trace, value: unknown): void {
  if (value instanceof Uint8Array) {
    trace.contents(`<${value.length}>`);
    trace.contents(value);
  } else if (typeof value === "object" && value !== null) {
    trace.contents("{");
    for (const [field, part] of Object.entries(value)) {
      trace.contents(`${field}:`);
      feed(trace, part);
    }
    trace.contents("}");
  } else {
    trace.contents(`${typeof value} ${String(value)};`);
  }
}
