/**
 * The target's side of split relay: keeps shares, in memory only, until all of a key have come.
 *
 * A key is put together once: its proof is a one-time tag, and a transit node that sent a changed share again would otherwise be
 * shown a second one under the same key. What is incomplete when its time is over is erased, and nobody ever had it.
 */
import type { QkdLink } from "../link/qkd-link.ts";
import type { RelayRefusal } from "../peer/peer-messages.ts";
import type { Clock, MonotonicMs } from "../runtime/clock.ts";
import { TIME_LEFT_MS } from "./relay-carrier.ts";
import type { RelayPlan } from "./relay-frame.ts";
import { isNewer, isOfOneKey, joinShares, type Share, type SplitKey } from "./split-key.ts";

/** From a key's first share to its last: time for one that is lost, and for another in its place. */
const KEPT_MS: MonotonicMs = 2 * TIME_LEFT_MS;
/** A neighbour cannot fill our memory: shares of its that wait for others. */
const SHARES_PER_LINK_MAX = 64;
/** Keys, of all neighbours, that are incomplete or were completed a moment ago. */
const KEYS_MAX = 1024;

interface HeldShare extends Share {
  readonly from: QkdLink;
}

interface Gathering {
  /** By index. */
  readonly shares: Map<number, HeldShare>;
  readonly cancelExpiry: () => void;
  isComplete: boolean;
}

export class ShareAssembly {
  readonly #clock: Clock;
  readonly #keys = new Map<string, Gathering>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Why a share that begins to arrive is not taken. */
  refusal(from: QkdLink, plan: RelayPlan): RelayRefusal | undefined {
    const gathering = this.#keys.get(nameOf(plan));
    if (gathering?.isComplete === true) return "not-admitted";
    const [known] = gathering?.shares.values() ?? [];
    if (known !== undefined && !isOfOneKey(known.plan, plan)) return "not-admitted";
    const isFull = this.#heldFrom(from) >= SHARES_PER_LINK_MAX || this.#keys.size >= KEYS_MAX;
    return isFull ? "busy" : undefined;
  }

  /**
   * Takes a share that has arrived whole; its payload is this room's to erase from now on.
   *
   * @returns the key when this was its last share, for the caller to own; "held" while others are missing; "refused" for a share
   *   that does not belong here any more
   */
  take(from: QkdLink, share: Share): SplitKey | "held" | "refused" {
    const { plan, payload } = share;
    if (this.refusal(from, plan) !== undefined) {
      payload.erase();
      return "refused";
    }
    const gathering = this.#gathering(nameOf(plan));
    const { shares, index } = plan.share!;
    const before = gathering.shares.get(index);
    if (before !== undefined && !isNewer(plan, before.plan)) {
      payload.erase(); // one that was given up arrives after the one in its place
      return "held";
    }
    before?.payload.erase();
    gathering.shares.set(index, { ...share, from });
    if (gathering.shares.size < shares) return "held";
    const all = [...gathering.shares].sort(([one], [other]) => one - other).map(([, held]) => held);
    const key = joinShares(all);
    gathering.isComplete = true;
    erase(gathering);
    return key;
  }

  close(): void {
    for (const gathering of this.#keys.values()) {
      gathering.cancelExpiry();
      erase(gathering);
    }
    this.#keys.clear();
  }

  #gathering(name: string): Gathering {
    const known = this.#keys.get(name);
    if (known !== undefined) return known;
    const cancelExpiry = this.#clock.after(KEPT_MS, () => {
      erase(begun);
      this.#keys.delete(name);
    });
    const begun: Gathering = { shares: new Map(), cancelExpiry, isComplete: false };
    this.#keys.set(name, begun);
    return begun;
  }

  #heldFrom(link: QkdLink): number {
    let held = 0;
    for (const { shares } of this.#keys.values()) for (const { from } of shares.values()) if (from === link) held += 1;
    return held;
  }
}

function erase({ shares }: Gathering): void {
  for (const { payload } of shares.values()) payload.erase();
  shares.clear();
}

const nameOf = ({ origin, share }: RelayPlan): string => `${origin}/${share!.key}`;
