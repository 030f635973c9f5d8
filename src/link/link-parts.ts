/** What the rooms of one link share. */
import type { LinkId, NodeId } from "../model/ids.ts";
import type { PeerMessage } from "../peer/peer-messages.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import type { LinkMetrics } from "./link-metrics.ts";
import type { LinkStock } from "./link-stock.ts";
import type { LinkEnd } from "./manifest.ts";
import type { ServiceGuard } from "./service-guard.ts";
import type { TroubleLog } from "./trouble-log.ts";

export interface LinkParts {
  readonly link: LinkId;
  readonly self: NodeId;
  readonly neighbour: NodeId;
  readonly selfEnd: LinkEnd;
  readonly stock: LinkStock;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: LinkMetrics;
  readonly troubles: TroubleLog;
  readonly guards: LinkGuards;
  readonly limits: LinkLimits;
  /** How far the neighbour's wall clock is ahead of ours, as its hello said. */
  readonly skewMs: () => number;
  /** Over the present session. @returns false when there is none, or its line is full */
  readonly send: (message: PeerMessage) => boolean;
}

/** What may be taken out of service, each for itself: stock that is proven equal is used in any case. */
export interface LinkGuards {
  /** The module, while it gives unfit key: all that it gives is discarded. */
  readonly module: ServiceGuard;
  /** Agreement, while the ends hold different bits: the leader proposes nothing. */
  readonly agreement: ServiceGuard;
  /** The neighbour's pads, while what comes under them does not verify: none is opened. */
  readonly tags: ServiceGuard;
}

export interface LinkLimits {
  /** A segment is proposed when this full … */
  readonly segmentBytes: number;
  /** … or when its oldest key is this old. */
  readonly segmentAgeMaxMs: number;
  /** Quarantine above this pauses the module. */
  readonly quarantineBytesMax: number;
  /** Stock of both directions above this pauses the module. */
  readonly stockBytesMax: number;
  readonly proposalsInFlightMax: number;
  /** How long the follower waits for keys that a proposal names and its module has not given yet. */
  readonly missingKeyWaitMs: number;
  /** A key that only one end has is discarded at this age (twice as late at the follower). */
  readonly unmatchedAgeMaxMs: number;
  readonly keyLifetimeMs: number;
  /** Segments kept open ahead of need, each direction. */
  readonly openAhead: number;
  /** A segment under whose name this many frames or openings did not verify is closed and burned. */
  readonly tagFailuresMax: number;
}

export const LINK_LIMITS: LinkLimits = {
  segmentBytes: 65_536,
  segmentAgeMaxMs: 30_000,
  quarantineBytesMax: 4 * 1_048_576,
  stockBytesMax: 64 * 1_048_576,
  proposalsInFlightMax: 16,
  missingKeyWaitMs: 5_000,
  unmatchedAgeMaxMs: 60_000,
  keyLifetimeMs: 24 * 3_600_000,
  openAhead: 2,
  tagFailuresMax: 16,
};

/** Below this a segment is not worth its header. */
export const SEGMENT_BYTES_MIN = 1024;
