/**
 * A node that is being emptied: it takes in no new key, starts and passes on no relay, and serves what it has.
 *
 * Neighbours that are refused go other ways; what is in stock is supplied until it is used up or too old.
 */
import type { NodeId } from "../model/ids.ts";
import type { KeyRelay } from "../relay/key-relay.ts";

export class NodeDrain {
  readonly #self: NodeId;
  #active = false;
  #underWay = 0;

  constructor(self: NodeId) {
    this.#self = self;
  }

  get active(): boolean {
    return this.#active;
  }

  /** Relays that this node has begun and that have not ended. */
  get underWay(): number {
    return this.#underWay;
  }

  begin(): void {
    this.#active = true;
  }

  cancel(): void {
    this.#active = false;
  }

  /** Relays as before, and none while the node drains. */
  gate(establish: KeyRelay["establish"]): KeyRelay["establish"] {
    return async (order, deadline) => {
      if (this.#active) return { kind: "refused", reason: "draining", atHop: this.#self };
      this.#underWay += 1;
      try {
        return await establish(order, deadline);
      } finally {
        this.#underWay -= 1;
      }
    };
  }
}
