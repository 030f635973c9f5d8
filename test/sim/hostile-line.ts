/**
 * Who broke TLS between two neighbours: messages are altered, repeated, said again much later, swapped and lost. Laws hold all the
 * same; key may burn (the burn-direction rule), and the line comes back when the attacker goes.
 */
import { decodeEnvelope, encodeEnvelope } from "../../src/io/grpc-peer-codec.ts";
import { isQkdError } from "../../src/model/errors.ts";
import type { NodeId } from "../../src/model/ids.ts";
import type { PeerMessage } from "../../src/peer/peer-messages.ts";
import { copyOfMessage } from "../fakes/message-copy.ts";
import type { SeededRandom } from "../fakes/seeded-random.ts";
import type { World } from "./world.ts";

const HEARD_MAX = 64;
const FLIPS_MAX = 3;
const ACTS = ["alter", "repeat", "replay", "swap", "drop"] as const;
/** Of the messages; the others pass as they are. */
const HOSTILE_PART = 0.15;

export interface HostileLines {
  /** From now on, for some time. */
  attack(ends: readonly [NodeId, NodeId], durationMs: number): void;
  stop(): void;
  /** What was done to messages. */
  readonly acts: number;
}

export function createHostileLines(world: World, random: SeededRandom): HostileLines {
  const attacked = new Map<string, number>();
  const lines = new Map<string, Attacker>();
  let acts = 0;
  world.network.tamper((from, to, message) => {
    const name = `${from}>${to}`;
    if ((attacked.get(name) ?? 0) <= world.clock.now()) return message;
    let attacker = lines.get(name);
    if (attacker === undefined) lines.set(name, (attacker = new Attacker(random.fork(name))));
    const passed = attacker.hears(message);
    if (passed.length === 1 && passed[0] === message) return message;
    acts += 1;
    if (passed === BROKEN) world.clock.after(0, () => world.network.breakSession(from, to));
    return passed;
  });
  return {
    get acts() {
      return acts;
    },
    attack([one, other], durationMs) {
      for (const name of [`${one}>${other}`, `${other}>${one}`]) attacked.set(name, world.clock.now() + durationMs);
    },
    stop() {
      attacked.clear();
    },
  };
}

/** Nobody would take such bytes: the session ends. */
const BROKEN: readonly PeerMessage[] = [];

/** Of one direction. */
class Attacker {
  readonly #random: SeededRandom;
  readonly #heard: PeerMessage[] = [];
  #held: PeerMessage | undefined;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  /** @returns what goes on instead */
  hears(message: PeerMessage): readonly PeerMessage[] {
    this.#heard.push(copyOfMessage(message));
    if (this.#heard.length > HEARD_MAX) this.#heard.splice(this.#random.below(HEARD_MAX), 1);
    if (this.#held !== undefined) {
      const held = this.#held;
      this.#held = undefined;
      return [message, held];
    }
    if (!this.#random.chance(HOSTILE_PART)) return [message];
    switch (this.#random.pick(ACTS)) {
      case "alter":
        return this.#altered(message);
      case "repeat":
        return [message, copyOfMessage(message)];
      case "replay":
        return [message, copyOfMessage(this.#random.pick(this.#heard))];
      case "swap":
        this.#held = message;
        return [];
      case "drop":
        return [];
    }
  }

  /** Some bits of what is on the wire. */
  #altered(message: PeerMessage): readonly PeerMessage[] {
    const wire = encodeEnvelope(message);
    for (let flips = 1 + this.#random.below(FLIPS_MAX); flips > 0; flips--) {
      wire[this.#random.below(wire.length)]! ^= 1 << this.#random.below(8);
    }
    try {
      const heard = decodeEnvelope(wire);
      return heard.kind === "session-ending" ? BROKEN : [heard];
    } catch (failure) {
      if (isQkdError(failure)) return BROKEN;
      throw failure;
    }
  }
}
