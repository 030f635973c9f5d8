/** What is to be relayed for a pool, and the plan that tells it to the target. */
import type { KeyClass, NodeId, SegmentName } from "../model/ids.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Route } from "../topology/router.ts";
import type { OutboundPool } from "./outbound-pool.ts";
import type { RelayUrgency } from "./pad-reservations.ts";
import type { PlannedSegment, RelayPlan, SharePlace } from "./relay-frame.ts";

export interface RelayOrder {
  readonly target: NodeId;
  readonly keyClass: KeyClass;
  /** Lengths of the segments to establish, in bytes. */
  readonly segmentBytes: readonly number[];
  readonly urgency: RelayUrgency;
}

/** What decides how long the order's payload is, now. */
export function payloadOf(
  { segmentBytes }: RelayOrder,
  { hasIdSecret }: OutboundPool,
): { readonly carriesIdSecret: boolean; readonly segments: readonly Pick<PlannedSegment, "lengthBytes">[] } {
  return { carriesIdSecret: !hasIdSecret, segments: segmentBytes.map((lengthBytes) => ({ lengthBytes })) };
}

export function planOf(about: {
  readonly self: NodeId;
  readonly clock: Clock;
  readonly keyLifetimeMs: number;
  readonly order: RelayOrder;
  readonly pool: OutboundPool;
  /** Fresh ones: a name serves one attempt. */
  readonly names: readonly SegmentName[];
  readonly route: Route;
  readonly carriesIdSecret: boolean;
  readonly share?: SharePlace;
}): RelayPlan {
  const { self: origin, clock, keyLifetimeMs, order, pool, names, route, carriesIdSecret, share } = about;
  const expiresAt = Math.floor(clock.wall() + keyLifetimeMs);
  const segments = order.segmentBytes.map((lengthBytes, i) => ({ name: names[i]!, lengthBytes, expiresAt }));
  const plan = { origin, route, keyClass: order.keyClass, carriesIdSecret, segments, live: pool.liveRuns() };
  return share === undefined ? plan : { ...plan, share };
}
