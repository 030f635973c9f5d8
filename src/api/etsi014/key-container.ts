/** The key container as bytes: key in base64 that no string, and after `erase` no buffer of ours, has held. */
import { assert } from "../../model/assert.ts";
import type { SuppliedKey } from "../../supply/key-supply.ts";
import { base64Length, writeBase64 } from "../base64.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

const START = bytesOf('{"keys":[');
const BEFORE_ID = bytesOf('{"key_ID":"');
const BEFORE_KEY = bytesOf('","key":"');
const AFTER_KEY = bytesOf('"}');
const END = bytesOf("]}");
const COMMA = 0x2c;

/**
 * The body of a Key container (ETSI GS QKD 014 V1.1.1, clause 6.3), in one buffer outside V8's heap.
 *
 * The material of all keys is erased, also when this throws; the caller erases the body.
 */
export function encodeKeyContainer(keys: readonly SuppliedKey[]): Uint8Array {
  try {
    const body = new Uint8Array(new ArrayBuffer(containerLength(keys)));
    let at = write(START, body, 0);
    keys.forEach((key, index) => {
      if (index > 0) body[at++] = COMMA;
      at = write(BEFORE_ID, body, at);
      at = writeAscii(key.id, body, at);
      at = write(BEFORE_KEY, body, at);
      at = key.material.expose((bytes) => writeBase64(bytes, body, at));
      at = write(AFTER_KEY, body, at);
      key.material.erase();
    });
    at = write(END, body, at);
    assert(at === body.length, "a key container is as long as was counted");
    return body;
  } finally {
    for (const { material } of keys) material.erase();
  }
}

function containerLength(keys: readonly SuppliedKey[]): number {
  const frame = BEFORE_ID.length + BEFORE_KEY.length + AFTER_KEY.length;
  const commas = Math.max(0, keys.length - 1);
  const entries = keys.reduce(
    (sum, { id, material }) => sum + frame + id.length + base64Length(material.lengthBytes),
    0,
  );
  return START.length + entries + commas + END.length;
}

function write(bytes: Uint8Array, into: Uint8Array, at: number): number {
  into.set(bytes, at);
  return at + bytes.length;
}

/** A key id is a UUID: hex digits and dashes. */
function writeAscii(text: string, into: Uint8Array, at: number): number {
  for (let i = 0; i < text.length; i++) into[at + i] = text.charCodeAt(i);
  return at + text.length;
}
