/** Which way to a node: the port that the relay asks, whoever keeps the map. */
import type { NodeId } from "../model/ids.ts";

/** First hop to destination; never empty, no node twice. */
export type Route = readonly [NodeId, ...NodeId[]];

export interface Router {
  /** @returns undefined where there is none: a state of the network, not an error */
  route(destination: NodeId): Route | undefined;
  /** All nodes that the map knows, but ours. */
  nodes(): readonly NodeId[];
}
