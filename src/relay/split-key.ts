/** What both ends make of the shares of one key: their XOR, its names, and what its one proof is about. Pure. */
import type { KeyMaterial } from "../model/key-material.ts";
import type { Route } from "../topology/router.ts";
import type { RelayPlan } from "./relay-frame.ts";

/** One share as it was sent, or as it arrived. */
export interface Share {
  readonly plan: RelayPlan;
  /** As the frames carried it. */
  readonly planBytes: Uint8Array;
  readonly payload: KeyMaterial;
}

export interface SplitKey {
  /** Of the newest share: a lost share is replaced under new names, and takes the key with it. */
  readonly plan: RelayPlan;
  /** In the order of shares. */
  readonly routes: readonly Route[];
  /** What the proof speaks about besides the payload: the plans of all shares. */
  readonly provenPlan: Uint8Array;
  /** The XOR of all shares; whoever asked for it owns it. */
  readonly payload: KeyMaterial;
}

/** @param shares  all of a key, in their order, equally long; they stay as they are, and their owner's */
export function joinShares(shares: readonly Share[]): SplitKey {
  const [first, ...others] = shares;
  const payload = first!.payload.slice(0, first!.payload.lengthBytes);
  for (const share of others) {
    share.payload.expose((bytes) =>
      payload.expose((key) => {
        for (let i = 0; i < key.length; i++) key[i]! ^= bytes[i]!;
      }),
    );
  }
  const plan = shares.map((share) => share.plan).reduce((newest, other) => (isNewer(other, newest) ? other : newest));
  const routes = shares.map((share) => share.plan.route);
  return { plan, routes, provenPlan: joinedPlans(shares), payload };
}

/** Names grow with attempts. */
export const isNewer = (one: RelayPlan, other: RelayPlan): boolean => one.segments[0]!.name > other.segments[0]!.name;

/** Whether two plans may be of shares of one key. */
export function isOfOneKey(one: RelayPlan, other: RelayPlan): boolean {
  return (
    one.share?.key === other.share?.key &&
    one.share?.shares === other.share?.shares &&
    one.origin === other.origin &&
    one.keyClass === other.keyClass &&
    one.carriesIdSecret === other.carriesIdSecret &&
    one.segments.length === other.segments.length &&
    one.segments.every(({ lengthBytes }, i) => lengthBytes === other.segments[i]!.lengthBytes)
  );
}

function joinedPlans(shares: readonly Share[]): Uint8Array {
  const joined = new Uint8Array(shares.reduce((sum, { planBytes }) => sum + 4 + planBytes.length, 0));
  const view = new DataView(joined.buffer);
  let at = 0;
  for (const { planBytes } of shares) {
    view.setUint32(at, planBytes.length);
    joined.set(planBytes, at + 4);
    at += 4 + planBytes.length;
  }
  return joined;
}
