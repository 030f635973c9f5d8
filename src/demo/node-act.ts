/** What somebody may do to one node of a demo. */
export const NODE_ACTS = {
  stop: "ends the daemon of a node, in order; it stays down until start",
  start: "starts it again, and waits until it is ready",
  kill: "ends the daemon of a node at once (kill -9), and waits until the demo has started it again",
} as const;

export type NodeAct = keyof typeof NODE_ACTS;

export const NODE_ACT_NAMES = Object.keys(NODE_ACTS) as [NodeAct, ...NodeAct[]];
