/** SAEs with good certificates that want what is not theirs: ids that they heard of, guessed, or turned round. None may get a key. */
import { isQkdError } from "../../src/model/errors.ts";
import type { KeyId } from "../../src/model/ids.ts";
import type { Clock } from "../../src/runtime/clock.ts";
import type { SeededRandom } from "../fakes/seeded-random.ts";
import type { SimNode } from "./sim-node.ts";
import type { IssuedKey } from "./workload.ts";
import { saeAt, type World } from "./world.ts";

const PATIENCE_MS = 2_000;
const HEX = "0123456789abcdef";

interface Attempt {
  readonly at: SimNode;
  readonly initiator: SimNode;
  readonly target: SimNode;
  readonly id: KeyId;
}

export class HostileSae {
  readonly #world: World;
  readonly #random: SeededRandom;
  readonly #patience: Clock;
  #attempts = 0;

  constructor(world: World, random: SeededRandom) {
    this.#world = world;
    this.#random = random;
    this.#patience = world.clock.clockFor("hostile SAEs");
  }

  get attempts(): number {
    return this.#attempts;
  }

  /** One try at a key that somebody else was just given. */
  async triesToTake({ id, initiator, target }: IssuedKey): Promise<void> {
    const stranger = this.#random.pick(this.#world.nodes.filter((node) => node !== initiator && node !== target));
    const attempt = this.#random.pick<Attempt>([
      { at: target, initiator: stranger, target, id }, // as if another had given it
      { at: stranger, initiator, target: stranger, id }, // where it is not
      { at: initiator, initiator: target, target: initiator, id }, // its own, turned round
      { at: target, initiator, target, id: this.#altered(id) },
    ]);
    const { node } = attempt.at;
    if (node === undefined) return;
    this.#attempts += 1;
    const pair = { initiator: saeAt(attempt.initiator.id), target: saeAt(attempt.target.id) };
    try {
      const keys = await node.supply.decryptionKeys({ pair, ids: [attempt.id] }, this.#patience.timeout(PATIENCE_MS));
      for (const { material } of keys) material.erase();
      this.#world.violate(`denied-by-default: ${pair.target} was given key ${attempt.id} of ${pair.initiator}`);
    } catch (failure) {
      if (!isQkdError(failure)) throw failure;
    }
  }

  #altered(id: KeyId): KeyId {
    const places = [...id].flatMap((character, i) => (HEX.includes(character) ? [i] : []));
    const at = this.#random.pick(places);
    const other = this.#random.pick([...HEX].filter((character) => character !== id[at]));
    return (id.slice(0, at) + other + id.slice(at + 1)) as KeyId;
  }
}
