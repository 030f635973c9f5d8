/** A network as the live view sees it: five nodes in a ring, all well, and what one wants to be otherwise. */
import type { LinkStatus, NodeStatus, PoolStatus } from "../../src/api/operator/node-status.ts";
import type { NetworkView, ViewedNode } from "../../src/live-view/network-view.ts";
import { type NodeId, parseKeyClass, parseNodeId } from "../../src/model/ids.ts";
import { wellStatus } from "./sample-status.ts";

export const RING: readonly NodeId[] = ["aachen", "bonn", "celle", "duren", "essen"].map(parseNodeId);
const LINKS = RING.map((id, at) => [id, RING[(at + 1) % RING.length]!].toSorted() as [NodeId, NodeId]);
const ORDINARY = parseKeyClass("default");

interface Otherwise {
  readonly at?: number;
  /** Nodes that do not answer, and why. */
  readonly absent?: Readonly<Record<string, string>>;
  readonly link?: (link: LinkStatus, node: NodeId) => LinkStatus;
  readonly pool?: (pool: PoolStatus, node: NodeId) => PoolStatus;
  readonly status?: (status: NodeStatus) => NodeStatus;
}

export function viewedRing(otherwise: Otherwise = {}): NetworkView {
  const { at = 0, absent = {} } = otherwise;
  const nodes = RING.map((id): ViewedNode => {
    const absence = absent[id];
    const answers = absence === undefined;
    return { id, isAsked: true, absence, status: answers ? statusOf(id, otherwise) : undefined };
  });
  return { at, nodes, links: LINKS };
}

function statusOf(id: NodeId, { link, pool, status }: Otherwise): NodeStatus {
  const well = wellStatus();
  const links = LINKS.filter((ends) => ends.includes(id)).map((ends): LinkStatus => {
    const neighbour = ends.find((end) => end !== id)!;
    return { ...well.links[0]!, id: `${ends[0]}--${ends[1]}` as LinkStatus["id"], neighbour };
  });
  const pools = RING.filter((other) => other !== id).map((remote): PoolStatus => {
    const keys = { keys: 512, targetKeys: 512, lowKeys: 256, inFlightBytes: 0, stockBytes: 16_384 };
    return { remote, direction: "outbound", keyClass: ORDINARY, ...keys };
  });
  const own: NodeStatus = {
    ...well,
    node: id,
    links: link === undefined ? links : links.map((each) => link(each, id)),
    pools: pool === undefined ? pools : pools.map((each) => pool(each, id)),
    ledger: links.map((each) => ({ owner: `link/${each.id}`, balances: well.ledger[0]!.balances })),
  };
  return status === undefined ? own : status(own);
}
