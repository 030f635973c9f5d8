/**
 * The law of split relay: no transit node of a key, and no n-1 of them together, saw all its shares. Looks over the shoulder of
 * every node as it opens frames, and afterwards searches what any n-1 of them saw, and its XOR, for keys that SAEs were given.
 */
import type { QkdLink } from "../../../src/link/qkd-link.ts";
import type { NodeId, RelayId } from "../../../src/model/ids.ts";
import { decodeRelayHeader, decodeRelayPlan, type RelayPlan } from "../../../src/relay/relay-frame.ts";
import type { IssuedKey } from "../workload.ts";
import type { World } from "../world.ts";

/** Shorter ones could be found by chance. */
const KEY_BYTES_MIN = 16;

/** What was sent for one key, with what each node saw of it: every share, and every one that was lost. */
interface SplitSeen {
  readonly plan: RelayPlan;
  readonly byNode: Map<NodeId, Map<RelayId, Uint8Array>>;
}

export interface ShareWatch {
  /** @returns how many of the keys were found in the XOR of what all nodes saw: the search works */
  check(keys: readonly IssuedKey[]): number;
}

export function watchSharesApart(world: World): ShareWatch {
  const keys = new Map<string, SplitSeen>();
  const underWay = new Map<string, Uint8Array>();
  const watched = new WeakSet<QkdLink>();

  const seen = (node: NodeId, headerBytes: Uint8Array, payload: Uint8Array): void => {
    const { relay, payloadOffset, totalBytes, plan: planBytes } = decodeRelayHeader(headerBytes);
    if (payloadOffset === 0) {
      const plan = decodeRelayPlan(planBytes);
      if (plan.share === undefined) return;
      const split = keys.get(plan.share.key) ?? { plan, byNode: new Map<NodeId, Map<RelayId, Uint8Array>>() };
      keys.set(plan.share.key, split);
      const relays = split.byNode.get(node) ?? new Map<RelayId, Uint8Array>();
      split.byNode.set(node, relays.set(relay, new Uint8Array(totalBytes)));
      underWay.set(`${node} ${relay}`, relays.get(relay)!);
    }
    underWay.get(`${node} ${relay}`)?.set(payload, payloadOffset);
  };

  world.network.tap(() => {
    for (const { node, id } of world.nodes) {
      for (const link of node?.links ?? []) {
        if (watched.has(link)) continue;
        watched.add(link);
        const open = link.openFrame.bind(link);
        (link as { openFrame: QkdLink["openFrame"] }).openFrame = (frame) => {
          const opened = open(frame);
          if (typeof opened !== "string") {
            seen(
              id,
              opened.header,
              opened.ciphertext.map((byte, i) => byte ^ opened.pad[i]!),
            );
          }
          return opened;
        };
      }
    }
  });

  return {
    check(issued) {
      const known = [...keys.values()].map(whoKnowsWhat);
      const byPair = Map.groupBy(known, ({ plan }) => pairName(plan.origin, plan.route.at(-1)!));
      let found = 0;
      for (const { id, bytes, initiator, target } of issued) {
        if (bytes.length < KEY_BYTES_MIN) continue;
        const key = Buffer.from(bytes);
        const splits = byPair.get(pairName(initiator.id, target.id)) ?? [];
        if (splits.some(({ byAll }) => isWithin(key, byAll))) found += 1;
        for (const { nodes, sums } of splits.flatMap(({ bySome }) => bySome)) {
          if (!isWithin(key, sums)) continue;
          world.violate(`shares-apart: ${nodes.join(", ")} could know key ${id} of ${initiator.id} and ${target.id}`);
        }
      }
      return found;
    },
  };
}

/** What all nodes together, ends too, could put together of a key; and what any n-1 transit nodes could. */
function whoKnowsWhat({ plan, byNode }: SplitSeen): {
  readonly plan: RelayPlan;
  readonly byAll: readonly Buffer[];
  readonly bySome: readonly { readonly nodes: readonly NodeId[]; readonly sums: readonly Buffer[] }[];
} {
  const transit = [...byNode.keys()].filter((node) => node !== plan.origin && node !== plan.route.at(-1));
  const some = choicesOf(transit, plan.share!.shares - 1);
  return {
    plan,
    byAll: sumsOf(sharesOf(byNode, [...byNode.keys()])),
    bySome: some.map((nodes) => ({ nodes, sums: sumsOf(sharesOf(byNode, nodes)) })),
  };
}

const pairName = (origin: NodeId, target: NodeId): string => `${origin} ${target}`;

const isWithin = (key: Buffer, sums: readonly Buffer[]): boolean => sums.some((sum) => sum.includes(key));

/** Each once, however many of the nodes saw it. */
function sharesOf(byNode: SplitSeen["byNode"], nodes: readonly NodeId[]): readonly Uint8Array[] {
  const distinct = new Map<string, Uint8Array>();
  for (const node of nodes) {
    for (const share of byNode.get(node)?.values() ?? []) distinct.set(Buffer.from(share).toString("latin1"), share);
  }
  return [...distinct.values()];
}

/** The XOR of every choice of at least one. */
function sumsOf(shares: readonly Uint8Array[]): readonly Buffer[] {
  return shares.reduce<readonly Buffer[]>((sums, share) => {
    const longer = sums.map((sum) => Buffer.from(sum.map((byte, i) => byte ^ share[i]!)));
    return [...sums, Buffer.from(share), ...longer];
  }, []);
}

/** All choices of `count` of them. */
function choicesOf(nodes: readonly NodeId[], count: number): readonly (readonly NodeId[])[] {
  if (count === 0) return [[]];
  return nodes.flatMap((node, i) => choicesOf(nodes.slice(i + 1), count - 1).map((others) => [node, ...others]));
}
