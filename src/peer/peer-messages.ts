/**
 * What neighbours say to each other (reference point Kx of ITU-T Y.3802), as values.
 *
 * **Burn-direction rule.** A message that can only burn key needs the session's mutual TLS; one that makes key usable
 * carries a one-time tag (`tag` below) or a proof. Whatever is not under a tag may be believed only where a lie costs
 * stock, never secrecy. Key material appears in none of them: `Frame.bytes` holds ciphertext.
 */
import type { Incarnation, KeyClass, NodeId, QkdKeyId, RelayId, SegmentName } from "../model/ids.ts";
import type { QkdKeyRun } from "../model/qkd-key-runs.ts";
import type { SegmentRun } from "../model/segment-runs.ts";

/** Grows when a message changes its meaning; a peer of another version is refused, with both versions named. */
export const KX_PROTOCOL_VERSION = 2;

/** First message of a session, both ways; nothing else is said or believed before. */
export interface Hello {
  readonly kind: "hello";
  readonly protocol: number;
  readonly node: NodeId;
  readonly incarnation: Incarnation;
  /** Names the sender's store: another id means that it was replaced. 16 bytes as hex. */
  readonly storeId: string;
  readonly wallMs: number;
  /** Segments that the sender holds, not yet opened, of both directions; proposals of a leader count. */
  readonly held: readonly SegmentRun[];
  /** Segments of the sender's own direction that are open in its memory. */
  readonly open: readonly SegmentName[];
  /** The last segment of its own direction that the sender opened, durably. */
  readonly openedUpTo: SegmentName;
  /** The last segment of the receiver's direction whose opening the sender witnessed, durably. */
  readonly witnessedUpTo: SegmentName;
  /** The sender's mark, to be kept and given back verbatim. */
  readonly ownMark: Uint8Array;
  /** The newest mark of the receiver that the sender keeps; empty when it has none. */
  readonly returnedMark: Uint8Array;
  readonly directory: DirectoryFingerprints;
}

/** What a node was told about SAEs, in short: 16 bytes as hex each; empty where it does not say. */
export interface DirectoryFingerprints {
  /** Which SAE lives at which node. */
  readonly saes: string;
  /** Which pairs may share keys, and in which class. */
  readonly pairs: string;
}

/** Once a second: silence means that the neighbour is lost. */
export interface Heartbeat {
  readonly kind: "heartbeat";
  /** Pad that the sender wants of its own direction, bytes per second. */
  readonly demandBytesPerSecond: number;
}

/** Follower to leader: QKD-keys that came into quarantine. Ids only. */
export interface Inventory {
  readonly kind: "inventory";
  readonly runs: readonly QkdKeyRun[];
}

/** Leader to follower: these QKD-keys, in this order, make this segment. Tag by `r_agree`, `s_propose`. */
export interface Proposal {
  readonly kind: "proposal";
  readonly segment: SegmentName;
  readonly manifest: Uint8Array;
  readonly tag: Uint8Array;
}

/** Follower to leader: the same bytes are here. Tag by `r_agree`, `s_answer`. */
export interface Agreement {
  readonly kind: "agreement";
  readonly segment: SegmentName;
  readonly tag: Uint8Array;
}

/** Follower to leader: no. Untagged, because it can only burn. */
export interface Disagreement {
  readonly kind: "disagreement";
  readonly segment: SegmentName;
  /** missing: some keys never came; mismatch: the tag is wrong; stale: the name was used before. */
  readonly reason: "missing" | "mismatch" | "stale";
  readonly missing: readonly QkdKeyId[];
}

/** Owner to witness: this segment is open and erased here. Tag by `r_agree`, `s_open`. */
export interface SegmentOpening {
  readonly kind: "segment-opening";
  readonly segment: SegmentName;
  readonly tag: Uint8Array;
  readonly mark: Uint8Array;
}

/** Witness to owner: recorded, and erased here too. Tag by `r_agree`, `s_opened`. */
export interface SegmentWitnessed {
  readonly kind: "segment-witnessed";
  readonly segment: SegmentName;
  readonly tag: Uint8Array;
}

/** Either end: this segment is not to be used any more. Untagged, because it can only burn. */
export interface SegmentClosing {
  readonly kind: "segment-closing";
  readonly segment: SegmentName;
  readonly reason: "exhausted" | "refused" | "tag-failures" | "burned";
}

/** A part of a relay under a pad and a one-time tag: see `relay/relay-frame.ts` for the layout. */
export interface Frame {
  readonly kind: "frame";
  readonly bytes: Uint8Array;
}

export type RelayRefusal =
  | "no-pad" // too little open pad towards the next hop
  | "busy" // too many relays, or the line to the next hop is full
  | "unreachable" // no session with the next hop
  | "tag-wrong" // a frame did not verify
  | "draining" // the node is being emptied: it takes part in no relay
  | "deadline" // the time allowed was over
  | "not-admitted"; // the route, the class or the sizes are not acceptable here

/** Back along the route. A refusal is believed (it only burns); an established relay shows the destination's proof. */
export interface RelayAnswer {
  readonly kind: "relay-answer";
  readonly relay: RelayId;
  readonly outcome:
    | { readonly kind: "established"; readonly proof: Uint8Array; readonly incarnation: Incarnation }
    /** A share of a key that is split over several relays: the one that comes last is answered with the proof. */
    | { readonly kind: "share-held" }
    | { readonly kind: "refused"; readonly reason: RelayRefusal; readonly atHop: NodeId };
}

/**
 * Asks each hop to keep pad for a relay that is to come, and its destination whether it has room. Untagged: it spends
 * nothing, and whoever lies here can make others wait, for a bounded time.
 */
export interface RelayReservation {
  readonly kind: "relay-reservation";
  /** The name that the relay will have. */
  readonly relay: RelayId;
  readonly origin: NodeId;
  readonly keyClass: KeyClass;
  /** Nodes still to visit, the receiver first; the last is the destination. */
  readonly route: readonly NodeId[];
  readonly totalBytes: number;
  /** On-demand relays may take the pad that was reserved for refilling. */
  readonly urgency: "on-demand" | "refill";
  /** Of which the key is the XOR, this relay being one. 1, or 0 from nodes that know no shares: the whole key. */
  readonly shares: number;
}

/** Back along the route: all hops keep the pad, or none does. */
export interface RelayReservationAnswer {
  readonly kind: "relay-reservation-answer";
  readonly relay: RelayId;
  readonly outcome:
    { readonly kind: "granted" } | { readonly kind: "refused"; readonly reason: RelayRefusal; readonly atHop: NodeId };
}

/** End-to-end control, passed on along a route by nodes that do not look into it. It can only burn. */
export interface Control {
  readonly kind: "control";
  readonly origin: NodeId;
  /** Nodes still to visit; the last is the target. */
  readonly route: readonly NodeId[];
  readonly body: ControlBody;
}

export type ControlBody =
  /** From a pool's initiator: all segments of its pools with the target that it may still allocate from. */
  | { readonly kind: "live-set"; readonly pools: readonly PoolHolding[] }
  /** From a pool's target, after a start: all inbound segments that it still holds. */
  | { readonly kind: "holdings"; readonly incarnation: Incarnation; readonly pools: readonly PoolHolding[] };

/** Links that one node may advertise. */
export const ADVERT_LINKS_MAX = 64;

/**
 * What a node says of its own links, passed on by every node to all its neighbours. Untagged: whoever lies here can make
 * relays fail or go other ways, and learns no key by it (docs/adr/0012).
 */
export interface Advert {
  readonly kind: "advert";
  readonly origin: NodeId;
  /** Of the origin's store: larger at each start. The newer advert is the one of the larger epoch, then sequence. */
  readonly epoch: number;
  readonly sequence: number;
  /** Since the origin said it: what was passed on lives no longer than what was heard first. */
  readonly ageMs: number;
  readonly links: readonly AdvertisedLink[];
}

export interface AdvertisedLink {
  readonly neighbour: NodeId;
  /** Whether the origin has a session with the neighbour now. */
  readonly state: "up" | "down";
  /** Pad that the origin owns towards the neighbour: in stock and open. */
  readonly padBytes: number;
  /** How fast it gets more. */
  readonly padBytesPerSecond: number;
}

export interface PoolHolding {
  readonly keyClass: string;
  readonly segments: readonly SegmentRun[];
}

export type PeerMessage =
  | Hello
  | Heartbeat
  | Inventory
  | Proposal
  | Agreement
  | Disagreement
  | SegmentOpening
  | SegmentWitnessed
  | SegmentClosing
  | Frame
  | RelayAnswer
  | RelayReservation
  | RelayReservationAnswer
  | Control
  | Advert;
