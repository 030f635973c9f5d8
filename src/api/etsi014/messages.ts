/**
 * The messages of ETSI GS QKD 014 V1.1.1, clause 6: read strictly, written exactly. The standard's own names live here.
 *
 * Members that we do not know are ignored, because clients send extras; `null` counts as absent for optional members.
 */
import { isQkdError } from "../../model/errors.ts";
import { type KeyId, type SaeId, parseSaeId } from "../../model/ids.ts";
import { BITS_PER_BYTE } from "../../model/units.ts";
import type { SaePair, SupplyLimits, SupplyStatus } from "../../supply/key-supply.ts";
import { isJsonObject, parseStrictJson, shortened } from "../strict-json.ts";
import { type ErrorDetails, RefusedRequest, refuseMalformed } from "./request-problem.ts";

export const METHODS = ["status", "enc_keys", "dec_keys"] as const;
export type Method = (typeof METHODS)[number];

const PATH_START = "/api/v1/keys/";
/** Keys for further targets are not offered: ETSI GS QKD 014 V1.1.1, clause 6.1, 0 = none. */
const TARGETS_BESIDE_MAX = 0;
const NAMES_IN_DETAILS_MAX = 8;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export interface KeyRequest {
  readonly count: number;
  readonly sizeBits: number;
}

/**
 * What `/api/v1/keys/{SAE}/{method}` asks for. The SAE id is percent-decoded once; a slash at the end is another path.
 *
 * @returns undefined for a path that is not one of the three
 * @throws RefusedRequest when the SAE id is malformed
 */
export function parsePath(path: string): { readonly method: Method; readonly other: SaeId } | undefined {
  if (!path.startsWith(PATH_START)) return undefined;
  const idEnd = path.indexOf("/", PATH_START.length);
  if (idEnd <= PATH_START.length) return undefined;
  const method = METHODS.find((name) => name === path.slice(idEnd + 1));
  if (method === undefined) return undefined;
  const encoded = path.slice(PATH_START.length, idEnd);
  try {
    return { method, other: parseSaeId(decodeOnce(encoded, "the SAE ID in the path")) };
  } catch (error) {
    if (!isQkdError(error, "CONFIG_INVALID")) throw error;
    return refuseMalformed(`the SAE ID in the path is malformed: ${error.message}`);
  }
}

/** Key request of the GET form: `number` and `size`, as decimal digits. */
export function parseKeyRequestQuery(query: string, limits: SupplyLimits): KeyRequest {
  const items = parseQuery(query);
  for (const name of ["additional_slave_SAE_IDs", "extension_mandatory"]) {
    if (items.has(name)) refuseMalformed(`${name} needs the POST form of the request`);
  }
  return checkedKeyRequest(integerOfText(items.get("number")), integerOfText(items.get("size")), limits);
}

/** Key request of the POST form (clause 6.2); an empty body asks for the defaults, because every member is optional. */
export function parseKeyRequestBody(body: Uint8Array, limits: SupplyLimits): KeyRequest {
  if (body.length === 0) return { count: 1, sizeBits: limits.keySizeDefaultBits };
  const value = parseObject(body, "a key request");
  refuseTargetsBeside(value["additional_slave_SAE_IDs"]);
  refuseMandatoryExtensions(value["extension_mandatory"]);
  return checkedKeyRequest(value["number"], value["size"], limits);
}

/** Key IDs of the GET form: exactly one. */
export function parseKeyIdsQuery(query: string): readonly KeyId[] {
  const id = parseQuery(query).get("key_ID");
  if (id === undefined) refuseMalformed('key_ID is missing: "dec_keys?key_ID=<UUID>" for one key, else the POST form');
  return [parseKeyId(id)];
}

/** Key IDs of the POST form (clause 6.4): a list of objects, no id twice. */
export function parseKeyIdsBody(body: Uint8Array, limits: SupplyLimits): readonly KeyId[] {
  const list = parseObject(body, "the key IDs")["key_IDs"];
  if (!Array.isArray(list) || list.length === 0) {
    refuseMalformed('key_IDs shall be a list of objects: {"key_IDs":[{"key_ID":"<UUID>"}]}');
  }
  if (list.length > limits.keysPerRequestMax) {
    refuseMalformed(`key_IDs shall hold at most ${limits.keysPerRequestMax} keys`, [
      { key_IDs_unsupported: `${list.length} given` },
      { max_key_per_request: limits.keysPerRequestMax },
    ]);
  }
  const ids = list.map((entry: unknown) => parseKeyId(isJsonObject(entry) ? entry["key_ID"] : undefined));
  if (new Set(ids).size !== ids.length) refuseMalformed("key_IDs shall not name a key twice");
  return ids;
}

/** Status (clause 6.1). Initiator and target are "master" and "slave" there. */
export function statusMessage(pair: SaePair, status: SupplyStatus): object {
  return {
    source_KME_ID: status.sourceNode,
    target_KME_ID: status.targetNode,
    master_SAE_ID: pair.initiator,
    slave_SAE_ID: pair.target,
    key_size: status.keySizeDefaultBits,
    stored_key_count: status.storedKeys,
    max_key_count: status.storedKeysMax,
    max_key_per_request: status.keysPerRequestMax,
    max_key_size: status.keySizeMaxBits,
    min_key_size: status.keySizeMinBits,
    max_SAE_ID_count: TARGETS_BESIDE_MAX,
  };
}

/** Which keys a refusal is about. */
export function keyDetails(ids: readonly string[], reason?: string): ErrorDetails {
  return ids.map((id) => ({ key_ID: id, ...(reason === undefined ? {} : { reason }) }));
}

export function retryDetails(retryAfterMs: number, reason?: string): ErrorDetails {
  return [{ retry_after_ms: retryAfterMs }, ...(reason === undefined ? [] : [{ reason }])];
}

function checkedKeyRequest(number: unknown, size: unknown, limits: SupplyLimits): KeyRequest {
  const count = integerOrDefault(number, "number", 1);
  const sizeBits = integerOrDefault(size, "size", limits.keySizeDefaultBits);
  if (count < 1 || count > limits.keysPerRequestMax) {
    refuseMalformed(`number shall be from 1 to ${limits.keysPerRequestMax}`, [
      { number_unsupported: count },
      { max_key_per_request: limits.keysPerRequestMax },
    ]);
  }
  if (sizeBits % BITS_PER_BYTE !== 0) {
    throw new RefusedRequest({ kind: "size-not-in-bytes", details: [{ size_unsupported: sizeBits }] });
  }
  if (sizeBits < limits.keySizeMinBits || sizeBits > limits.keySizeMaxBits) {
    refuseMalformed(`size shall be from ${limits.keySizeMinBits} to ${limits.keySizeMaxBits}`, [
      { size_unsupported: sizeBits },
      { min_key_size: limits.keySizeMinBits },
      { max_key_size: limits.keySizeMaxBits },
    ]);
  }
  return { count, sizeBits };
}

function integerOrDefault(value: unknown, field: string, defaultValue: number): number {
  if (value === undefined || value === null) return defaultValue;
  if (!Number.isSafeInteger(value)) refuseMalformed(`${field} shall be an integer`);
  return value as number;
}

/** NaN for what is no decimal integer. */
function integerOfText(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  return /^-?[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN;
}

function refuseTargetsBeside(value: unknown): void {
  if (value === undefined || value === null) return;
  if (!Array.isArray(value)) refuseMalformed("additional_slave_SAE_IDs shall be a list");
  if (value.length > TARGETS_BESIDE_MAX) {
    refuseMalformed("additional_slave_SAE_IDs are not supported", [
      { additional_slave_SAE_IDs_unsupported: `${value.length} given` },
      { max_SAE_ID_count: TARGETS_BESIDE_MAX },
    ]);
  }
}

/** We offer no extension, so every mandatory one is one that we do not support. */
function refuseMandatoryExtensions(value: unknown): void {
  if (value === undefined || value === null) return;
  if (!Array.isArray(value) || !value.every(isJsonObject)) {
    refuseMalformed("extension_mandatory shall be a list of objects");
  }
  const names = value.flatMap((entry) => Object.keys(entry)).slice(0, NAMES_IN_DETAILS_MAX);
  if (names.length === 0) return;
  throw new RefusedRequest({
    kind: "extension-unsupported",
    details: names.map((name) => ({ extension_mandatory_unsupported: `${shortened(name)} is not supported` })),
  });
}

/** In lower case, as ids are given. A malformed id is a bad request, not an unknown key: it tells of a client's mistake. */
function parseKeyId(value: unknown): KeyId {
  if (typeof value !== "string" || !UUID.test(value)) refuseMalformed("key_ID shall be a UUID in its text form");
  return value.toLowerCase() as KeyId;
}

function parseObject(body: Uint8Array, what: string): Readonly<Record<string, unknown>> {
  const value = parseStrictJson(body);
  if (!isJsonObject(value)) refuseMalformed(`${what} shall be a JSON object`);
  return value;
}

/** Items of a query, percent-decoded once; no item twice. */
function parseQuery(query: string): ReadonlyMap<string, string> {
  const items = new Map<string, string>();
  for (const item of query.split("&")) {
    if (item === "") continue;
    const equals = item.indexOf("=");
    const name = decodeOnce(equals < 0 ? item : item.slice(0, equals), "the query");
    if (items.has(name)) refuseMalformed(`${shortened(name)} is given twice; several values need the POST form`);
    items.set(name, equals < 0 ? "" : decodeOnce(item.slice(equals + 1), "the query"));
  }
  return items;
}

function decodeOnce(text: string, what: string): string {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return refuseMalformed(`${what} is malformed: not percent-encoded UTF-8`);
  }
}
