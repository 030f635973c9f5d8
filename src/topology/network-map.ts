/**
 * The network as this node knows it: the newest advert of each node, and our own links as they are now.
 *
 * Newer is the larger epoch, then the larger sequence; silence ages an advert out. A link counts only while both of its ends
 * advertise it as up; of our own links our sessions know first.
 */
import { linkEnds, linkIdBetween, type LinkId, type NodeId } from "../model/ids.ts";
import { ADVERT_LINKS_MAX, type Advert, type AdvertisedLink } from "../peer/peer-messages.ts";
import type { Clock, MonotonicMs } from "../runtime/clock.ts";
import { isPlausibleEpoch } from "../runtime/plausible-epoch.ts";

/** Each node says its advert anew after this long, also when nothing changed. */
export const ADVERT_REFRESH_MS: MonotonicMs = 5_000;
/** Three refreshes that did not come, and some time on the way. */
export const ADVERT_LIFETIME_MS: MonotonicMs = 3 * ADVERT_REFRESH_MS + 1_000;
/** News of more nodes is ignored, but for neighbours: … */
export const MAP_NODES_MAX = 1_024;
/** … and of nodes that would bring more links than this, both directions counted: what a search for routes may look at. */
export const MAP_LINKS_MAX = 8_192;

/**
 * repeated: known already. older: the sender has not heard the newest. expired: it was too long on its way. implausible:
 * its epoch is far ahead of any clock. full: no room for one more node, or its links.
 */
export type AdvertVerdict = "news" | "repeated" | "older" | "expired" | "implausible" | "full";

/** One direction of a link that both ends advertise as up: pad is that of the sending side. */
export interface UsableLink {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly padBytes: number;
  readonly padBytesPerSecond: number;
}

/** A link as its ends tell of it; what an end did not say is missing. */
export interface MappedLink {
  readonly ends: readonly [NodeId, NodeId];
  readonly says: readonly [EndSays | undefined, EndSays | undefined];
}

export interface EndSays extends Omit<AdvertisedLink, "neighbour"> {
  readonly ageMs: number;
}

export class NetworkMap {
  readonly self: NodeId;
  readonly #clock: Clock;
  readonly #adverts = new Map<NodeId, { readonly advert: Advert; readonly saidAt: MonotonicMs }>();
  #ownLinks: readonly AdvertisedLink[] = [];
  /** Of all adverts held. */
  #linkCount = 0;
  #version = 0;

  constructor(self: NodeId, clock: Clock) {
    this.self = self;
    this.#clock = clock;
  }

  /** Grows when something changes that routes may depend on. */
  get version(): number {
    return this.#version;
  }

  get ownLinks(): readonly AdvertisedLink[] {
    return this.#ownLinks;
  }

  setOwnLinks(links: readonly AdvertisedLink[]): void {
    if (links.length > ADVERT_LINKS_MAX) throw new RangeError(`a node has ${ADVERT_LINKS_MAX} links at most`);
    if (!saysTheSame(this.#ownLinks, links)) this.#version += 1;
    this.#ownLinks = links;
  }

  receive(advert: Advert): AdvertVerdict {
    const { origin } = advert;
    const known = this.#adverts.get(origin)?.advert;
    if (!isPlausibleEpoch(advert.epoch, this.#clock)) return "implausible";
    if (advert.ageMs >= ADVERT_LIFETIME_MS) return "expired";
    if (known !== undefined && !isNewer(advert, known)) return isNewer(known, advert) ? "older" : "repeated";
    const linkCount = this.#linkCount + advert.links.length - (known?.links.length ?? 0);
    const crowded = this.#adverts.size + (known === undefined ? 1 : 0) > MAP_NODES_MAX || linkCount > MAP_LINKS_MAX;
    if (crowded && !this.#isNear(origin)) return "full";
    this.#linkCount = linkCount;
    this.#adverts.set(origin, { advert, saidAt: this.#clock.monotonic() - advert.ageMs });
    if (known === undefined || !saysTheSame(known.links, advert.links)) this.#version += 1;
    return "news";
  }

  /** With its age of now. */
  advert(origin: NodeId): Advert | undefined {
    const known = this.#adverts.get(origin);
    if (known === undefined) return undefined;
    return { ...known.advert, ageMs: Math.floor(this.#clock.monotonic() - known.saidAt) };
  }

  /** Nodes whose adverts are held, ours among them, in the order of their names. */
  origins(): readonly NodeId[] {
    return [...this.#adverts.keys()].sort();
  }

  /** Forgets what was not refreshed. */
  expire(): void {
    const oldest = this.#clock.monotonic() - ADVERT_LIFETIME_MS;
    for (const [origin, { saidAt, advert }] of this.#adverts) {
      if (saidAt > oldest) continue;
      this.#adverts.delete(origin);
      this.#linkCount -= advert.links.length;
      this.#version += 1;
    }
  }

  /** All that a relay could use now, in the order of names. */
  usableLinks(): readonly UsableLink[] {
    const usable: UsableLink[] = [];
    const up = new Map<NodeId, ReadonlySet<NodeId>>();
    for (const origin of [this.self, ...this.origins()]) up.set(origin, new Set(this.#linksUp(origin).keys()));
    for (const origin of [...up.keys()].sort()) {
      const links = [...this.#linksUp(origin).values()].sort((a, b) => (a.neighbour < b.neighbour ? -1 : 1));
      for (const { neighbour, padBytes, padBytesPerSecond } of links) {
        if (origin !== this.self && up.get(neighbour)?.has(origin) !== true) continue;
        usable.push({ from: origin, to: neighbour, padBytes, padBytesPerSecond });
      }
    }
    return usable;
  }

  /** All that anybody tells of, usable or not, in the order of names. */
  links(): readonly MappedLink[] {
    const links = new Map<
      LinkId,
      { ends: readonly [NodeId, NodeId]; says: [EndSays | undefined, EndSays | undefined] }
    >();
    const add = (from: NodeId, { neighbour, ...said }: AdvertisedLink, ageMs: number): void => {
      const name = linkIdBetween(from, neighbour);
      const ends = linkEnds(name);
      const link = links.get(name) ?? { ends, says: [undefined, undefined] };
      link.says[ends.indexOf(from)] = { ...said, ageMs };
      links.set(name, link);
    };
    for (const link of this.#ownLinks) add(this.self, link, 0);
    for (const origin of this.origins()) {
      const { links: told, ageMs } = this.advert(origin)!;
      if (origin !== this.self) for (const link of told) add(origin, link, ageMs);
    }
    return [...links].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, link]) => link);
  }

  /** Ourselves, and our neighbours: their adverts always have room. */
  #isNear(origin: NodeId): boolean {
    return origin === this.self || this.#ownLinks.some(({ neighbour }) => neighbour === origin);
  }

  /** Those that a node says are up, by neighbour; our own are known better than any advert. */
  #linksUp(node: NodeId): ReadonlyMap<NodeId, AdvertisedLink> {
    const links = node === this.self ? this.#ownLinks : (this.#adverts.get(node)?.advert.links ?? []);
    return new Map(links.filter(({ state }) => state === "up").map((link) => [link.neighbour, link]));
  }
}

export function isNewer(one: Advert, other: Advert): boolean {
  return one.epoch === other.epoch ? one.sequence > other.sequence : one.epoch > other.epoch;
}

function saysTheSame(one: readonly AdvertisedLink[], other: readonly AdvertisedLink[]): boolean {
  return (
    one.length === other.length &&
    one.every(({ neighbour, state, padBytes, padBytesPerSecond }, i) => {
      const there = other[i]!;
      const sameEnds = neighbour === there.neighbour && state === there.state;
      return sameEnds && padBytes === there.padBytes && padBytesPerSecond === there.padBytesPerSecond;
    })
  );
}
