/** Messages between neighbours as bytes on the wire: proto/qkdn/kx/v1/kx.proto, field by field. */
import {
  type Incarnation,
  type RelayId,
  parseKeyClass,
  parseNodeId,
  parseQkdKeyId,
  parseSegmentName,
  segmentNumber,
} from "../model/ids.ts";
import { type QkdKeyRun, idAfter } from "../model/qkd-key-runs.ts";
import type { SegmentRun } from "../model/segment-runs.ts";
import {
  ADVERT_LINKS_MAX,
  type Advert,
  type AdvertisedLink,
  type DirectoryFingerprints,
  type PeerMessage,
  type PoolHolding,
  type RelayAnswer,
  type RelayReservationAnswer,
} from "../peer/peer-messages.ts";
import {
  type FieldType,
  bytes,
  carriedAs,
  choice,
  double,
  field,
  message,
  oneOf,
  repeated,
  uint,
} from "./protobuf-fields.ts";
import { ProtobufReader, ProtobufWriter } from "./protobuf-wire.ts";

/** The last message of a session. It ends in the transport, which tells the reason to whoever listens. */
export interface SessionEnding {
  readonly kind: "session-ending";
  readonly reason: string;
}

export type Envelope = PeerMessage | SessionEnding;

/** What one message may be on the wire; both ends refuse more. */
export const MESSAGE_BYTES_MAX = 1_048_576;

const FRAME_BYTES_MAX = 262_144;
const MANIFEST_BYTES_MAX = 262_144;
const MARK_BYTES_MAX = 4_096;
const PROOF_BYTES_MAX = 1_024;
const TAG_BYTES_MAX = 64;
const REASON_CHARACTERS_MAX = 200;
const ROUTE_NODES_MAX = 64;
const POOLS_MAX = 1_024;
const ITEMS_MAX = 65_536;
/** Ids or names that the runs of one list stand for: a few bytes must not become a billion things in memory. */
const RUN_IDS_MAX = 1_048_576;

/** The bytes of one message. What they were made from may be erased afterwards. */
export function encodeEnvelope(envelope: Envelope): Buffer {
  const out = new ProtobufWriter(envelope.kind === "frame" ? envelope.bytes.length + 16 : 256);
  ENVELOPE.writeFields(out, envelope);
  return out.finish();
}

/**
 * The message that `wire` holds. Its byte strings are views of `wire`: whoever keeps one for long keeps a copy.
 *
 * @throws QkdError REQUEST_INVALID  an unknown kind, a field that is malformed or out of its bounds
 */
export function decodeEnvelope(wire: Uint8Array): Envelope {
  return ENVELOPE.readFields(new ProtobufReader(wire, "envelope"));
}

/** One line of printable ASCII, as `SessionEnding.reason` and a gRPC status can carry it. */
export function reasonForWire(reason: string): string {
  return reason.replaceAll(/[^ -~]/g, "?").slice(0, REASON_CHARACTERS_MAX);
}

/** Names that are hex in memory and bytes on the wire; `parse` gets lower-case hex. */
function hexName<Name extends string>(
  parse: (hex: string) => Name,
  size: { readonly min: number; readonly max: number },
): FieldType<Name> {
  return carriedAs(bytes(size), {
    parse: (carried) => parse(Buffer.from(carried.buffer, carried.byteOffset, carried.length).toString("hex")),
    format: (name) => Buffer.from(name, "hex"),
  });
}

function text<Text extends string>(parse: (text: string) => Text, bytesMax: number): FieldType<Text> {
  return carriedAs(bytes({ max: bytesMax }), {
    // Bytes above 7F become characters that no parser here accepts.
    parse: (carried) => parse(Buffer.from(carried.buffer, carried.byteOffset, carried.length).toString("latin1")),
    format: (value) => Buffer.from(value, "latin1"),
  });
}

const exactly = (size: number) => ({ min: size, max: size });

const nodeId = text(parseNodeId, 32);
const keyClass = text(parseKeyClass, 16);
const segmentName = hexName(parseSegmentName, exactly(8));
const qkdKeyId = hexName(parseQkdKeyId, { min: 1, max: 32 });
const incarnation = hexName((hex) => hex as Incarnation, exactly(8));
const storeId = hexName((hex) => hex, exactly(16));
const relayId = hexName((hex) => hex as RelayId, exactly(16));
const tag = bytes({ max: TAG_BYTES_MAX });
const mark = bytes({ max: MARK_BYTES_MAX });

const rate = carriedAs(double, {
  parse: (value) => {
    if (!Number.isFinite(value) || value < 0) throw new RangeError("a rate is a number, 0 or more");
    return value;
  },
  format: (value: number) => value,
});

const reason = text((carried) => {
  if (carried !== reasonForWire(carried)) throw new RangeError("a reason is printable ASCII");
  return carried;
}, REASON_CHARACTERS_MAX);

const UINT32_MAX = 0xffff_ffff;

function checkCount(count: number): void {
  if (count < 1 || count > RUN_IDS_MAX) throw new RangeError(`a run of ${count}`);
}

const segmentRun = message<SegmentRun>("SegmentRun", { first: field(1, segmentName), count: field(2, uint) }, (run) => {
  checkCount(run.count);
  if (segmentNumber(run.first) + run.count - 1 > UINT32_MAX) throw new RangeError("a run leaves its epoch");
});

const qkdKeyRun = message<QkdKeyRun>("QkdKeyRun", { first: field(1, qkdKeyId), count: field(2, uint) }, (run) => {
  checkCount(run.count);
  if (idAfter(run.first, run.count - 1) === undefined) throw new RangeError("a run whose counter runs over");
});

function checkRuns(runs: readonly { readonly count: number }[]): void {
  const ids = runs.reduce((sum, run) => sum + run.count, 0);
  if (ids > RUN_IDS_MAX) throw new RangeError(`runs of ${ids} ids in all, where ${RUN_IDS_MAX} may be`);
}

const poolHolding = message<PoolHolding>("PoolHolding", {
  keyClass: field(1, keyClass),
  segments: repeated(2, segmentRun, ITEMS_MAX),
});

const pools = (number: number) => repeated(number, poolHolding, POOLS_MAX);

const checkPools = (holdings: readonly PoolHolding[]): void => checkRuns(holdings.flatMap(({ segments }) => segments));

const fingerprint = hexName((hex) => hex, { min: 0, max: 16 });
const fingerprints = message<DirectoryFingerprints>("DirectoryFingerprints", {
  saes: field(1, fingerprint),
  pairs: field(2, fingerprint),
});
/** A peer of an earlier version does not send it, and is to be told that it is of another version. */
const directory: FieldType<DirectoryFingerprints> = { ...fingerprints, absent: () => ({ saes: "", pairs: "" }) };

const advertisedLink = message<AdvertisedLink>("AdvertisedLink", {
  neighbour: field(1, nodeId),
  state: field(2, choice({ up: 1, down: 2 })),
  padBytes: field(3, uint),
  padBytesPerSecond: field(4, uint),
});

const advert = message<Omit<Advert, "kind">>(
  "Advert",
  {
    origin: field(1, nodeId),
    epoch: field(2, uint),
    sequence: field(3, uint),
    ageMs: field(4, uint),
    links: repeated(5, advertisedLink, ADVERT_LINKS_MAX),
  },
  ({ epoch, sequence, links }) => {
    if (epoch > UINT32_MAX || sequence > UINT32_MAX) throw new RangeError("epoch and sequence have 32 bits");
    const neighbours = new Set(links.map(({ neighbour }) => neighbour));
    if (neighbours.size < links.length) throw new RangeError("a link comes twice");
  },
);

type Refusal = Omit<Extract<RelayAnswer["outcome"], { kind: "refused" }>, "kind">;

const refused = message<Refusal>("RelayRefused", {
  reason: field(
    1,
    choice({ "no-pad": 1, busy: 2, unreachable: 3, "tag-wrong": 4, deadline: 5, "not-admitted": 6, draining: 7 }),
  ),
  atHop: field(2, nodeId),
});

const reservationOutcome = oneOf<RelayReservationAnswer["outcome"]>("ReservationOutcome", {
  granted: [1, message("ReservationGranted", {})],
  refused: [2, refused],
});

const outcome = oneOf<RelayAnswer["outcome"]>("RelayOutcome", {
  established: [
    1,
    message("RelayEstablished", {
      proof: field(1, bytes({ max: PROOF_BYTES_MAX })),
      incarnation: field(2, incarnation),
    }),
  ],
  refused: [2, refused],
  "share-held": [3, message("ShareHeld", {})],
});

const ENVELOPE = oneOf<Envelope>("Envelope", {
  hello: [
    1,
    message(
      "Hello",
      {
        protocol: field(1, uint),
        node: field(2, nodeId),
        incarnation: field(3, incarnation),
        storeId: field(4, storeId),
        wallMs: field(5, uint),
        held: repeated(6, segmentRun, ITEMS_MAX),
        open: repeated(7, segmentName, ITEMS_MAX),
        openedUpTo: field(8, segmentName),
        witnessedUpTo: field(9, segmentName),
        ownMark: field(10, mark),
        returnedMark: field(11, mark),
        directory: field(12, directory),
      },
      ({ held }) => checkRuns(held),
    ),
  ],
  heartbeat: [2, message("Heartbeat", { demandBytesPerSecond: field(1, rate) })],
  inventory: [3, message("Inventory", { runs: repeated(1, qkdKeyRun, ITEMS_MAX) }, ({ runs }) => checkRuns(runs))],
  proposal: [
    4,
    message("Proposal", {
      segment: field(1, segmentName),
      manifest: field(2, bytes({ max: MANIFEST_BYTES_MAX })),
      tag: field(3, tag),
    }),
  ],
  agreement: [5, message("Agreement", { segment: field(1, segmentName), tag: field(2, tag) })],
  disagreement: [
    6,
    message("Disagreement", {
      segment: field(1, segmentName),
      reason: field(2, choice({ missing: 1, mismatch: 2, stale: 3 })),
      missing: repeated(3, qkdKeyId, ITEMS_MAX),
    }),
  ],
  "segment-opening": [
    7,
    message("SegmentOpening", { segment: field(1, segmentName), tag: field(2, tag), mark: field(3, mark) }),
  ],
  "segment-witnessed": [8, message("SegmentWitnessed", { segment: field(1, segmentName), tag: field(2, tag) })],
  "segment-closing": [
    9,
    message("SegmentClosing", {
      segment: field(1, segmentName),
      reason: field(2, choice({ exhausted: 1, refused: 2, "tag-failures": 3, burned: 4 })),
    }),
  ],
  frame: [10, message("KeyRelay", { bytes: field(1, bytes({ max: FRAME_BYTES_MAX })) })],
  "relay-answer": [11, message("KeyRelayCompletion", { relay: field(1, relayId), outcome: field(2, outcome) })],
  control: [
    12,
    message("Control", {
      origin: field(1, nodeId),
      route: repeated(2, nodeId, ROUTE_NODES_MAX),
      body: field(
        3,
        oneOf("ControlBody", {
          "live-set": [1, message("LiveSet", { pools: pools(1) }, (body) => checkPools(body.pools))],
          holdings: [
            2,
            message("Holdings", { incarnation: field(1, incarnation), pools: pools(2) }, (body) =>
              checkPools(body.pools),
            ),
          ],
        }),
      ),
    }),
  ],
  "relay-reservation": [
    16,
    message("RelayReservation", {
      relay: field(1, relayId),
      origin: field(2, nodeId),
      keyClass: field(3, keyClass),
      route: repeated(4, nodeId, ROUTE_NODES_MAX),
      totalBytes: field(5, uint),
      urgency: field(6, choice({ "on-demand": 1, refill: 2 })),
      shares: field(7, uint),
    }),
  ],
  "relay-reservation-answer": [
    17,
    message("RelayReservationAnswer", { relay: field(1, relayId), outcome: field(2, reservationOutcome) }),
  ],
  advert: [18, advert],
  "session-ending": [15, message("SessionEnding", { reason: field(1, reason) })],
});
