/** Which way to a node: the port that the relay asks, whoever keeps the map. */
import type { NodeId } from "../model/ids.ts";
import type { RelayRefusal } from "../peer/peer-messages.ts";

/** First hop to destination; never empty, no node twice. */
export type Route = readonly [NodeId, ...NodeId[]];

/** A longer way is none: relays name all its nodes in their plan. */
export const ROUTE_NODES_MAX = 32;

/** How a relay along a route failed, and where. */
export interface RouteFailure {
  readonly reason: RelayRefusal | "proof-wrong";
  readonly atHop: NodeId;
}

export interface Router {
  /**
   * The way that is used now. It stays the same while it is not clearly worse than the best one.
   *
   * @returns undefined where there is none: a state of the network, not an error
   */
  route(destination: NodeId): Route | undefined;
  /** The cheapest ways without a node twice, the cheapest first. */
  routes(destination: NodeId, countMax: number): readonly Route[];
  /** The cheapest set of ways that share no node but the destination: as many as there are, `countMax` at most. */
  disjointRoutes(destination: NodeId, countMax: number): readonly Route[];
  /** The cheapest way that shares no node, and no link, with any of these ways to the same destination, but its end. */
  routeBeside(destination: NodeId, others: readonly Route[]): Route | undefined;
  /** A relay was refused: for a short while other ways are preferred. */
  report(route: Route, failure: RouteFailure): void;
  /** All nodes that the map knows, but ours, in the order of their names. */
  nodes(): readonly NodeId[];
}
