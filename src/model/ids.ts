/** The names of things in a QKD network, as strings that the compiler keeps apart, and their parsers. */
import { QkdError } from "./errors.ts";

/** A trusted node; towards SAEs it is a KME (ETSI GS QKD 014 V1.1.1, clause 3). */
export type NodeId = string & { readonly brand: "NodeId" };
/** An application that receives keys (ETSI GS QKD 014 V1.1.1, clause 3). */
export type SaeId = string & { readonly brand: "SaeId" };
/** A QKD link: the two node ids, smaller first, joined by "--". */
export type LinkId = string & { readonly brand: "LinkId" };
/** A module's own name for one of its QKD-keys: its bytes as lower-case hex, at most 32 bytes. */
export type QkdKeyId = string & { readonly brand: "QkdKeyId" };
/** A segment's name: epoch and number, 8 hex digits each. Text order is order of naming. */
export type SegmentName = string & { readonly brand: "SegmentName" };
/** The id of a key supplied to an SAE: a UUID in its text form. */
export type KeyId = string & { readonly brand: "KeyId" };
/** The name of a relay attempt: 16 bytes as hex. */
export type RelayId = string & { readonly brand: "RelayId" };
/** One life of a daemon process: 8 random bytes as hex, new at each start. */
export type Incarnation = string & { readonly brand: "Incarnation" };
/** Keeps pools of different policy apart ("default", "gold"). */
export type KeyClass = string & { readonly brand: "KeyClass" };

const NODE_ID = /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/;
const KEY_CLASS = /^[a-z][a-z0-9-]{0,15}$/;
const SAE_ID_CHARACTERS_MAX = 300;
const QKD_KEY_ID = /^(?:[0-9a-f]{2}){1,32}$/;

/** @throws QkdError CONFIG_INVALID for anything but 1 to 32 of `a-z 0-9 -`, or with "--" (which joins the ends of a link id) */
export function parseNodeId(text: string): NodeId {
  if (!NODE_ID.test(text) || text.includes("--")) {
    throw new QkdError("CONFIG_INVALID", `"${text}" is no node id: 1 to 32 of a-z, 0-9 and single "-"`, { text });
  }
  return text as NodeId;
}

/** @throws QkdError CONFIG_INVALID for an empty id, control characters, or more than 300 characters */
export function parseSaeId(text: string): SaeId {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  if (text.length === 0 || text.length > SAE_ID_CHARACTERS_MAX || /[\u0000-\u001f\u007f]/.test(text)) {
    throw new QkdError("CONFIG_INVALID", "an SAE id has 1 to 300 printable characters", { characters: text.length });
  }
  return text as SaeId;
}

/** @throws QkdError CONFIG_INVALID for anything but a lower-case word of 1 to 16 characters */
export function parseKeyClass(text: string): KeyClass {
  if (!KEY_CLASS.test(text)) {
    throw new QkdError("CONFIG_INVALID", `"${text}" is no key class: a-z first, then a-z, 0-9 and "-", 16 at most`, {});
  }
  return text as KeyClass;
}

/** @throws QkdError REQUEST_INVALID for anything but 1 to 32 bytes of lower-case hex */
export function parseQkdKeyId(text: string): QkdKeyId {
  if (!QKD_KEY_ID.test(text)) throw new QkdError("REQUEST_INVALID", "a QKD-key id is 1 to 32 bytes of hex", {});
  return text as QkdKeyId;
}

/** The id of the QKD link between two nodes, the same from both ends. */
export function linkIdBetween(one: NodeId, other: NodeId): LinkId {
  return (one < other ? `${one}--${other}` : `${other}--${one}`) as LinkId;
}

/** The two ends of a link, smaller id (the leader) first. */
export function linkEnds(link: LinkId): readonly [NodeId, NodeId] {
  const [leader, follower] = link.split("--") as [NodeId, NodeId];
  return [leader, follower];
}

const UINT32_MAX = 0xffff_ffff;

export function segmentName(epoch: number, number: number): SegmentName {
  if (!(epoch >= 0 && epoch <= UINT32_MAX && number >= 0 && number <= UINT32_MAX)) {
    throw new RangeError(`segment ${epoch}/${number} is out of range`);
  }
  return (epoch.toString(16).padStart(8, "0") + number.toString(16).padStart(8, "0")) as SegmentName;
}

/** @throws QkdError REQUEST_INVALID for anything but 16 hex digits */
export function parseSegmentName(text: string): SegmentName {
  if (!/^[0-9a-f]{16}$/.test(text)) throw new QkdError("REQUEST_INVALID", "a segment name has 16 hex digits", {});
  return text as SegmentName;
}

export const segmentEpoch = (name: SegmentName): number => Number.parseInt(name.slice(0, 8), 16);
export const segmentNumber = (name: SegmentName): number => Number.parseInt(name.slice(8), 16);

/** Comes before every segment: the high-water mark of a link on which nothing was opened yet. */
export const NO_SEGMENT = "0000000000000000" as SegmentName;
