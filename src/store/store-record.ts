/** A record's bytes: version, body, and a MAC over both and the record's name, so that no record can stand in for another. */
import { QkdError } from "../model/errors.ts";
import type { StoreMac } from "./store-keys.ts";

/** What a record may hold: names, numbers, ids. Never key material: that goes into chunks. */
export type RecordValue =
  string | number | boolean | null | readonly RecordValue[] | { readonly [field: string]: RecordValue | undefined };

/**
 *  offset  0          1                n+1
 *         +----------+----------------+---------+
 *         | version  | JSON, UTF-8, n | MAC 16  |   MAC over: name of the record, version, JSON
 *         +----------+----------------+---------+
 */
const VERSION = 1;
const MAC_BYTES = 16;

export function encodeRecord(mac: StoreMac, name: string, value: RecordValue): Uint8Array {
  const text = new TextEncoder();
  const body = text.encode(JSON.stringify(value));
  const record = new Uint8Array(1 + body.length + MAC_BYTES);
  record[0] = VERSION;
  record.set(body, 1);
  record.set(mac.of([text.encode(name), record.subarray(0, 1 + body.length)]), 1 + body.length);
  return record;
}

/** @throws QkdError STORE_DAMAGED when the MAC is wrong, VERSION_MISMATCH for a record of another format */
export function decodeRecord(mac: StoreMac, name: string, record: Uint8Array): RecordValue {
  const covered = record.subarray(0, Math.max(0, record.length - MAC_BYTES));
  if (!mac.verifies([new TextEncoder().encode(name), covered], record.subarray(covered.length))) {
    throw new QkdError(
      "STORE_DAMAGED",
      `record ${name} does not verify: the root is another one, or the disk changed`,
      {
        record: name,
      },
    );
  }
  if (covered[0] !== VERSION) {
    throw new QkdError("VERSION_MISMATCH", `record ${name} has format ${covered[0]}, this daemon knows ${VERSION}`, {});
  }
  return JSON.parse(new TextDecoder().decode(covered.subarray(1))) as RecordValue;
}
