/** One message of each kind and variant, every field with a value of its own. */
import {
  type Incarnation,
  type QkdKeyId,
  type RelayId,
  parseKeyClass,
  parseNodeId,
  segmentName,
} from "../../src/model/ids.ts";
import type { PeerMessage } from "../../src/peer/peer-messages.ts";

const bytes = (length: number, first: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (first + i) % 256);

const here = parseNodeId("a");
const there = parseNodeId("node-b7");
const incarnation = "0123456789abcdef" as Incarnation;
const relay = "00112233445566778899aabbccddeeff" as RelayId;
const segment = segmentName(1_800_000_000, 7);
const pools = [
  { keyClass: parseKeyClass("default"), segments: [{ first: segment, count: 3 }] },
  { keyClass: parseKeyClass("gold"), segments: [] },
];

type OneOfEach = { readonly [Kind in PeerMessage["kind"]]: readonly Extract<PeerMessage, { kind: Kind }>[] };

const messages: OneOfEach = {
  hello: [
    {
      kind: "hello",
      protocol: 2,
      node: here,
      incarnation,
      storeId: "ff".repeat(16),
      wallMs: 1_800_000_000_123,
      held: [
        { first: segmentName(1, 0), count: 1 },
        { first: segmentName(0xffff_ffff, 0xffff_fff0), count: 16 },
      ],
      open: [segment, segmentName(2, 2)],
      openedUpTo: segment,
      witnessedUpTo: segmentName(0, 0),
      ownMark: bytes(60, 1),
      returnedMark: new Uint8Array(0),
      directory: { saes: "5a".repeat(16), pairs: "c3".repeat(16) },
    },
  ],
  heartbeat: [
    { kind: "heartbeat", demandBytesPerSecond: 0 },
    { kind: "heartbeat", demandBytesPerSecond: 1234.5678 },
  ],
  inventory: [
    {
      kind: "inventory",
      runs: [
        { first: "00ff" as QkdKeyId, count: 200 },
        { first: "ab".repeat(32) as QkdKeyId, count: 1 },
      ],
    },
    { kind: "inventory", runs: [] },
  ],
  proposal: [{ kind: "proposal", segment, manifest: bytes(3_000, 3), tag: bytes(16, 200) }],
  agreement: [{ kind: "agreement", segment, tag: bytes(16, 9) }],
  disagreement: [
    { kind: "disagreement", segment, reason: "missing", missing: ["0a0b" as QkdKeyId, "ff" as QkdKeyId] },
    { kind: "disagreement", segment, reason: "mismatch", missing: [] },
    { kind: "disagreement", segment, reason: "stale", missing: [] },
  ],
  "segment-opening": [{ kind: "segment-opening", segment, tag: bytes(16, 1), mark: bytes(48, 77) }],
  "segment-witnessed": [{ kind: "segment-witnessed", segment, tag: bytes(16, 2) }],
  "segment-closing": (["exhausted", "refused", "tag-failures", "burned"] as const).map((reason) => {
    return { kind: "segment-closing", segment, reason } as const;
  }),
  frame: [
    { kind: "frame", bytes: bytes(65_600, 5) },
    { kind: "frame", bytes: bytes(1, 0) },
  ],
  "relay-answer": [
    { kind: "relay-answer", relay, outcome: { kind: "established", proof: bytes(32, 40), incarnation } },
    { kind: "relay-answer", relay, outcome: { kind: "share-held" } },
    ...(["no-pad", "busy", "unreachable", "tag-wrong", "deadline", "not-admitted"] as const).map((reason) => {
      return { kind: "relay-answer", relay, outcome: { kind: "refused", reason, atHop: there } } as const;
    }),
  ],
  "relay-reservation": (["on-demand", "refill"] as const).map((urgency) => {
    const keyClass = parseKeyClass("gold");
    return {
      kind: "relay-reservation",
      relay,
      origin: here,
      keyClass,
      route: [there],
      totalBytes: 70_000,
      urgency,
      shares: 2,
    };
  }),
  "relay-reservation-answer": [
    { kind: "relay-reservation-answer", relay, outcome: { kind: "granted" } },
    { kind: "relay-reservation-answer", relay, outcome: { kind: "refused", reason: "no-pad", atHop: there } },
  ],
  control: [
    { kind: "control", origin: here, route: [there, parseNodeId("c")], body: { kind: "live-set", pools } },
    { kind: "control", origin: there, route: [here], body: { kind: "holdings", incarnation, pools: [] } },
  ],
  advert: [
    {
      kind: "advert",
      origin: there,
      epoch: 1_800_000_000,
      sequence: 0xffff_ffff,
      ageMs: 4_999,
      links: [
        { neighbour: here, state: "up", padBytes: 5_000_000_000, padBytesPerSecond: 25_000 },
        { neighbour: parseNodeId("c"), state: "down", padBytes: 0, padBytesPerSecond: 0 },
      ],
    },
    { kind: "advert", origin: here, epoch: 0, sequence: 0, ageMs: 0, links: [] },
  ],
};

export const oneOfEachKind: readonly PeerMessage[] = Object.values(messages).flat();
