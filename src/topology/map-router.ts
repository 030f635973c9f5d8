/**
 * Routes over the network map: each link costs one hop and more where pad is scarce, and more for a while where a relay was
 * just refused.
 */
import type { NodeId } from "../model/ids.ts";
import { KIB, SECOND_MS } from "../model/units.ts";
import type { Clock, MonotonicMs } from "../runtime/clock.ts";
import { disjointRoutesTo } from "./disjoint-routes.ts";
import type { NetworkMap, UsableLink } from "./network-map.ts";
import { cheapestRoutes, cheapestRoutesTo, routeCost, type CostedRoute, type LinkCosts } from "./route-search.ts";
import type { Route, RouteFailure, Router } from "./router.ts";

/** Pad from here on is not scarce: some relays of a refill at once. */
const AMPLE_PAD_BYTES = 256 * KIB;
/** Pad below this is as good as none. */
const LEAST_PAD_BYTES = KIB;
/** For each halving of the pad. Costs are multiples of it, so that their sums are exact. */
const SCARCITY_STEP = 0.5;
/** Pad that comes in so long counts as if it were there. */
const PAD_AHEAD_MS = 2 * SECOND_MS;
/** More than any scarcity: whoever refused is asked again only where there is no other way. */
const REFUSAL_COST = 8;
const REFUSAL_MS: MonotonicMs = 5_000;
/** A route is left only for one that is better by this much: one step of scarcity alone moves nothing … */
const CHANGE_GAIN_MIN = 1;
/** … but to a shorter one, which spends less pad and shows the key to fewer nodes. */
const SHORTER_GAIN_MIN = 0.5;

/** What a link costs: 1 with ample pad, up to 5 without any. Pad is that of the sending side. */
export function linkCost({ padBytes, padBytesPerSecond }: UsableLink): number {
  const soonBytes = padBytes + (padBytesPerSecond * PAD_AHEAD_MS) / SECOND_MS;
  const halvings = Math.ceil(Math.log2(AMPLE_PAD_BYTES / Math.max(soonBytes, LEAST_PAD_BYTES)));
  return 1 + SCARCITY_STEP * Math.max(0, halvings);
}

/** After a search none is begun for so many times as long as it took: whoever changes the map without end gets a share, not a node. */
const PAUSE_FACTOR = 8;

export function createMapRouter(map: NetworkMap, clock: Clock): Router {
  return new MapRouter(map, clock);
}

interface Searched {
  readonly version: number;
  /** A refusal is forgotten then. */
  readonly until: MonotonicMs;
  readonly costs: LinkCosts;
  readonly best: ReadonlyMap<NodeId, CostedRoute>;
  /** What was looked for on this map beyond the best, by what and how many. */
  readonly others: Map<string, readonly Route[]>;
}

class MapRouter implements Router {
  readonly #map: NetworkMap;
  readonly #clock: Clock;
  readonly #used = new Map<NodeId, Route>();
  /** Links that refused a relay, and until when that is remembered. */
  readonly #refusals = new Map<string, MonotonicMs>();
  #searched: Searched | undefined;
  /** A relay was refused since the last search. */
  #refused = false;
  #pauseUntil: MonotonicMs = 0;

  constructor(map: NetworkMap, clock: Clock) {
    this.#map = map;
    this.#clock = clock;
  }

  route(destination: NodeId): Route | undefined {
    const { costs, best } = this.#search();
    const found = best.get(destination);
    if (found === undefined) {
      this.#used.delete(destination);
      return undefined;
    }
    const used = this.#used.get(destination);
    const gainMin = used !== undefined && found.route.length < used.length ? SHORTER_GAIN_MIN : CHANGE_GAIN_MIN;
    const stays = used !== undefined && routeCost(costs, this.#map.self, used) < found.cost + gainMin;
    if (!stays) this.#used.set(destination, found.route);
    return stays ? used : found.route;
  }

  routes(destination: NodeId, countMax: number): readonly Route[] {
    return this.#others(`routes ${countMax} ${destination}`, (costs) =>
      cheapestRoutesTo(costs, { from: this.#map.self, to: destination }, countMax),
    );
  }

  disjointRoutes(destination: NodeId, countMax: number): readonly Route[] {
    return this.#others(`disjoint ${countMax} ${destination}`, (costs) =>
      disjointRoutesTo(costs, { from: this.#map.self, to: destination }, countMax),
    );
  }

  routeBeside(destination: NodeId, others: readonly Route[]): Route | undefined {
    const { self } = this.#map;
    const taken = new Set(others.flatMap((route) => route.slice(0, -1)));
    const directTaken = others.some(({ length }) => length === 1);
    const isClosed = (from: NodeId, to: NodeId): boolean =>
      taken.has(to) || (directTaken && from === self && to === destination);
    return cheapestRoutes(this.#search().costs, self, isClosed).get(destination)?.route;
  }

  report(route: Route, failure: RouteFailure): void {
    const until = this.#clock.monotonic() + REFUSAL_MS;
    for (const link of suspectLinks([this.#map.self, ...route], failure)) this.#refusals.set(link, until);
    this.#refused = true;
  }

  nodes(): readonly NodeId[] {
    const neighbours = this.#map.ownLinks.map(({ neighbour }) => neighbour);
    return [...new Set([...this.#map.origins(), ...neighbours])].filter((node) => node !== this.#map.self).sort();
  }

  /** Searched anew only when the map changed, a relay was refused, or a refusal is forgotten; and not without a pause. */
  #search(): Searched {
    const now = this.#clock.monotonic();
    const { version } = this.#map;
    const before = this.#searched;
    const isGood = before?.version === version && now < before.until && !this.#refused;
    if (before !== undefined && (isGood || now < this.#pauseUntil)) return before;
    for (const [link, until] of this.#refusals) if (until <= now) this.#refusals.delete(link);
    const costs = new Map<NodeId, Map<NodeId, number>>();
    for (const link of this.#map.usableLinks()) {
      const leaving = costs.get(link.from) ?? new Map<NodeId, number>();
      const refused = this.#refusals.has(linkName(link.from, link.to));
      costs.set(link.from, leaving.set(link.to, linkCost(link) + (refused ? REFUSAL_COST : 0)));
    }
    const until = Math.min(Number.POSITIVE_INFINITY, ...this.#refusals.values());
    this.#refused = false;
    this.#searched = { version, until, costs, best: cheapestRoutes(costs, this.#map.self), others: new Map() };
    this.#pause(now);
    return this.#searched;
  }

  #others(what: string, find: (costs: LinkCosts) => readonly CostedRoute[]): readonly Route[] {
    const { costs, others } = this.#search();
    const known = others.get(what);
    if (known !== undefined) return known;
    const begun = this.#clock.monotonic();
    const found = find(costs).map(({ route }) => route);
    others.set(what, found);
    this.#pause(begun);
    return found;
  }

  #pause(begun: MonotonicMs): void {
    const now = this.#clock.monotonic();
    this.#pauseUntil = Math.max(this.#pauseUntil, now) + PAUSE_FACTOR * (now - begun);
  }
}

const linkName = (from: NodeId, to: NodeId): string => `${from}--${to}`;

/** Which links of a way a refusal speaks against. */
function suspectLinks(way: readonly NodeId[], { reason, atHop }: RouteFailure): readonly string[] {
  const links = way.slice(1).map((to, i) => linkName(way[i]!, to));
  const at = way.indexOf(atHop);
  switch (reason) {
    case "no-pad":
    case "busy":
    case "unreachable":
    case "not-admitted":
      return links.slice(at, at + 1); // the next link; the destination has none, and no other way would help
    case "draining":
      return at < links.length ? links.slice(Math.max(0, at - 1), at + 1) : []; // to it and from it
    case "tag-wrong":
      return at > 0 ? links.slice(at - 1, at) : [];
    case "deadline":
    case "proof-wrong":
      return links; // somewhere on the way
  }
}
