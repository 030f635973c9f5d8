/**
 * Floods adverts: says our own, passes news on to all neighbours but the one that brought it.
 *
 * Nothing is queued: for each neighbour there is a set of nodes whose newest advert it has not been sent. So news overtakes
 * what it replaces, a full line delays and loses nothing, and no advert can go round for ever: only news is passed on.
 * Neighbours that are behind are told what is newer, so that islands agree as soon as a link joins them.
 */
import type { NodeId } from "../model/ids.ts";
import type { Advert, AdvertisedLink } from "../peer/peer-messages.ts";
import { SECOND_MS } from "../model/units.ts";
import { Bell } from "../runtime/bell.ts";
import type { Clock, MonotonicMs } from "../runtime/clock.ts";
import { isPlausibleEpoch } from "../runtime/plausible-epoch.ts";
import { ADVERT_REFRESH_MS, isNewer, MAP_NODES_MAX, type NetworkMap } from "./network-map.ts";
import type { TopologyMetrics } from "./topology-metrics.ts";

/** Between two rounds of sending; what is due sooner waits. It bounds how often a neighbour hears from us, and of us. */
const ROUND_GAP_MS: MonotonicMs = 50;
/** To one neighbour in one round. */
const ADVERTS_PER_ROUND_MAX = 64;
/**
 * What one neighbour may tell: its whole map at once, then as much as a network of hundreds of nodes says. What is beyond is not
 * heard, and is told again with the next refresh. A neighbour's advert of itself always is.
 */
const ADVERTS_AT_ONCE_MAX = 2 * MAP_NODES_MAX;
const ADVERTS_PER_SECOND_MAX = 500;
/** Pad is looked at this often … */
const LOOK_MS: MonotonicMs = 500;
/** … and a change of it alone is told at most this often. */
const PAD_NEWS_GAP_MS: MonotonicMs = 1_000;
/** Pad is news when it has doubled or halved, give or take this. */
const PAD_NEWS_LEAST_BYTES = 4_096;
const UINT32_MAX = 0xffff_ffff;

/** What the flood uses of a link. */
export interface FloodLink {
  /** @returns false when the line is full, or the session has ended: the message was not sent */
  send(message: Advert): boolean;
}

export interface AdvertFloodParts {
  readonly map: NetworkMap;
  /** Of the store: larger at each start. */
  readonly epoch: number;
  readonly links: ReadonlyMap<NodeId, FloodLink>;
  readonly ownLinks: () => readonly AdvertisedLink[];
  readonly clock: Clock;
  readonly metrics: TopologyMetrics;
}

export class AdvertFlood {
  readonly #parts: AdvertFloodParts;
  readonly #bell = new Bell();
  /** By neighbour that is up: nodes whose newest advert it was not sent. */
  readonly #unsent = new Map<NodeId, Set<NodeId>>();
  /** By neighbour: how many adverts of others it may tell now. */
  readonly #allowed = new Map<NodeId, { count: number; at: MonotonicMs }>();
  /** What was said last; its successor has a larger sequence. */
  #said: Pick<Advert, "epoch" | "sequence" | "links"> | undefined;
  #saidAt: MonotonicMs = 0;
  /** An advert of ours that we did not say in this life: the next one must be newer. */
  #foreign: Advert | undefined;

  constructor(parts: AdvertFloodParts) {
    this.#parts = parts;
  }

  /** A new session: whatever the neighbour knew, it may be another process now. */
  up(neighbour: NodeId): void {
    this.#unsent.set(neighbour, new Set(this.#parts.map.origins()));
    this.#ownLinksChanged();
  }

  down(neighbour: NodeId): void {
    this.#unsent.delete(neighbour);
    this.#ownLinksChanged();
  }

  receive(from: NodeId, advert: Advert): void {
    const { map, metrics } = this.#parts;
    if (advert.origin !== from && !this.#isAllowed(from)) return metrics.received.add({ verdict: "too-many" });
    if (advert.origin === map.self) return this.#ownCameBack(from, advert);
    const verdict = map.receive(advert);
    metrics.received.add({ verdict });
    if (verdict === "older") this.#unsent.get(from)?.add(advert.origin);
    if (verdict === "news" || verdict === "repeated") this.#unsent.get(from)?.delete(advert.origin);
    if (verdict === "news") this.#toTell(advert.origin, from);
    if (verdict === "news" || verdict === "older") this.#bell.ring();
  }

  #isAllowed(from: NodeId): boolean {
    const now = this.#parts.clock.monotonic();
    const { count, at } = this.#allowed.get(from) ?? { count: ADVERTS_AT_ONCE_MAX, at: now };
    const more = count + ((now - at) / SECOND_MS) * ADVERTS_PER_SECOND_MAX;
    const allowed = Math.min(ADVERTS_AT_ONCE_MAX, more);
    this.#allowed.set(from, { count: Math.max(0, allowed - 1), at: now });
    return allowed >= 1;
  }

  /** Until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    while (!signal.aborted) {
      const waitMs = this.#round() ? LOOK_MS : ROUND_GAP_MS;
      await clock.sleep(ROUND_GAP_MS, signal).catch(() => undefined);
      const cancel = clock.after(waitMs - ROUND_GAP_MS, () => this.#bell.ring());
      await this.#bell.heard(signal);
      cancel();
    }
  }

  /** @returns whether all is sent */
  #round(): boolean {
    this.#parts.map.setOwnLinks(this.#parts.ownLinks());
    this.#parts.map.expire();
    if (this.#isDue()) this.#sayOwn();
    let sentAll = true;
    for (const [neighbour, origins] of this.#unsent) sentAll = this.#send(neighbour, origins) && sentAll;
    return sentAll;
  }

  #send(neighbour: NodeId, origins: Set<NodeId>): boolean {
    const { map, links, metrics } = this.#parts;
    let sent = 0;
    for (const origin of origins) {
      const advert = map.advert(origin);
      if (advert !== undefined) {
        if (sent === ADVERTS_PER_ROUND_MAX || links.get(neighbour)?.send(advert) !== true) return false;
        sent += 1;
        metrics.sent.add({});
      }
      origins.delete(origin);
    }
    return true;
  }

  #isDue(): boolean {
    if (this.#said === undefined || this.#foreign !== undefined) return true;
    const sinceMs = this.#parts.clock.monotonic() - this.#saidAt;
    const { links } = this.#said;
    const now = this.#parts.map.ownLinks;
    if (sinceMs >= ADVERT_REFRESH_MS || now.length !== links.length) return true;
    return now.some(({ state, padBytes }, i) => {
      const before = links[i]!;
      return state !== before.state || (sinceMs >= PAD_NEWS_GAP_MS && isPadNews(padBytes, before.padBytes));
    });
  }

  #sayOwn(): void {
    const { map, epoch, clock } = this.#parts;
    const name = nextName([
      this.#said ?? { epoch, sequence: 0 },
      ...(this.#foreign === undefined ? [] : [this.#foreign]),
    ]);
    this.#said = { ...name, links: map.ownLinks };
    this.#saidAt = clock.monotonic();
    this.#foreign = undefined;
    map.receive({ kind: "advert", origin: map.self, ageMs: 0, ...this.#said });
    this.#toTell(map.self, undefined);
  }

  /**
   * Round a ring, usually. One that is newer than what we said is of an earlier life (the clock was set back, the store
   * replaced), or a lie: either way the others believe it until we say a newer one.
   */
  #ownCameBack(from: NodeId, advert: Advert): void {
    const { map, metrics, clock } = this.#parts;
    const believable = isPlausibleEpoch(advert.epoch, clock);
    metrics.received.add({ verdict: believable ? "own" : "implausible" });
    if (!believable) return; // nobody else believes it either
    const known = map.advert(map.self);
    if (known === undefined || isNewer(advert, known)) {
      if (this.#foreign === undefined || isNewer(advert, this.#foreign)) this.#foreign = advert;
      this.#bell.ring();
    } else if (isNewer(known, advert)) {
      this.#unsent.get(from)?.add(map.self);
      this.#bell.ring();
    } else this.#unsent.get(from)?.delete(map.self);
  }

  #ownLinksChanged(): void {
    this.#parts.map.setOwnLinks(this.#parts.ownLinks());
    this.#bell.ring();
  }

  #toTell(origin: NodeId, notTo: NodeId | undefined): void {
    for (const [neighbour, origins] of this.#unsent) if (neighbour !== notTo) origins.add(origin);
  }
}

function isPadNews(now: number, before: number): boolean {
  const ratio = (now + PAD_NEWS_LEAST_BYTES) / (before + PAD_NEWS_LEAST_BYTES);
  return ratio >= 2 || ratio <= 0.5;
}

/** The name after the newest of these. */
function nextName(names: readonly Pick<Advert, "epoch" | "sequence">[]): Pick<Advert, "epoch" | "sequence"> {
  const epoch = Math.max(...names.map((name) => name.epoch));
  const sequence = Math.max(...names.filter((name) => name.epoch === epoch).map((name) => name.sequence));
  return sequence < UINT32_MAX ? { epoch, sequence: sequence + 1 } : { epoch: epoch + 1, sequence: 0 };
}
