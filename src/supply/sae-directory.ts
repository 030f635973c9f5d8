/** Which SAE lives at which node, and which pairs may share keys. What is not listed is denied. */
import { QkdError } from "../model/errors.ts";
import type { KeyClass, NodeId, SaeId } from "../model/ids.ts";
import type { SaePair } from "./key-supply.ts";

export interface SaeEntry {
  readonly id: SaeId;
  readonly node: NodeId;
}

/** Two SAEs that may share keys, either of them as initiator. */
export interface AllowedPair {
  readonly between: readonly [SaeId, SaeId];
  readonly keyClass: KeyClass;
}

export interface SaeDirectory {
  knows(sae: SaeId): boolean;
  /**
   * The nodes of a pair that may share keys, and the class of its pools.
   *
   * @throws QkdError SAE_UNKNOWN      one of the two is not in the directory
   * @throws QkdError SAE_NOT_ALLOWED  the pair is not listed
   */
  pair(pair: SaePair): { readonly initiatorNode: NodeId; readonly targetNode: NodeId; readonly keyClass: KeyClass };
  /** The pools that the pairs of a node need: its remote nodes and classes. */
  poolsOf(node: NodeId): readonly { readonly remote: NodeId; readonly keyClass: KeyClass }[];
}

export function createSaeDirectory(saes: readonly SaeEntry[], pairs: readonly AllowedPair[]): SaeDirectory {
  const nodes = new Map(saes.map(({ id, node }) => [id, node]));
  const classes = new Map<string, KeyClass>();
  for (const { between, keyClass } of pairs) {
    const [one, other] = between;
    classes.set(pairName(one, other), keyClass);
    classes.set(pairName(other, one), keyClass);
  }
  const nodeOf = (sae: SaeId): NodeId => {
    const node = nodes.get(sae);
    if (node === undefined) throw new QkdError("SAE_UNKNOWN", "no such SAE", { saeId: sae });
    return node;
  };
  return {
    knows: (sae) => nodes.has(sae),
    pair({ initiator, target }) {
      const places = { initiatorNode: nodeOf(initiator), targetNode: nodeOf(target) };
      const keyClass = classes.get(pairName(initiator, target));
      if (keyClass === undefined) {
        throw new QkdError("SAE_NOT_ALLOWED", "these two SAEs may not share keys", { initiator, target });
      }
      return { ...places, keyClass };
    },
    poolsOf(node) {
      const pools = new Map<string, { remote: NodeId; keyClass: KeyClass }>();
      for (const { between, keyClass } of pairs) {
        const [one, other] = [nodeOf(between[0]), nodeOf(between[1])];
        const remote = one === node ? other : other === node ? one : undefined;
        if (remote !== undefined && remote !== node) pools.set(`${remote}/${keyClass}`, { remote, keyClass });
      }
      return [...pools.values()].sort((a, b) => (`${a.remote}/${a.keyClass}` < `${b.remote}/${b.keyClass}` ? -1 : 1));
    },
  };
}

const pairName = (one: SaeId, other: SaeId): string => `${one}\n${other}`;
