/** What happens to modules and fibres while a network works: one fault after the other, each mended when the next comes. */
import { linkIdBetween, parseNodeId } from "../../src/model/ids.ts";
import type { FaultName } from "../../src/emulator/emulator.ts";
import type { SeededRandom } from "../fakes/seeded-random.ts";
import type { NetworkShape } from "./network-plan.ts";

/** What happens, and what mends it; nothing where it passes by itself. */
const FAULTS: readonly (readonly [FaultName, FaultName | undefined])[] = [
  ["garbage", undefined],
  ["flip", undefined],
  ["cut", "restore"],
  ["unplug", "plug"],
];

interface TroubledNetwork {
  readonly shape: NetworkShape;
  cause(name: FaultName, link: string, at?: string): Promise<unknown>;
}

export class LineTrouble {
  /** Each fault, and where. */
  readonly caused: string[] = [];
  readonly #network: TroubledNetwork;
  readonly #random: SeededRandom;
  #mend: (() => Promise<unknown>) | undefined;

  constructor(network: TroubledNetwork, random: SeededRandom) {
    this.#network = network;
    this.#random = random;
  }

  async next(): Promise<void> {
    await this.mend();
    const [one, other] = this.#random.pick(this.#network.shape.links);
    const link = linkIdBetween(parseNodeId(one), parseNodeId(other));
    const [fault, mending] = this.#random.pick(FAULTS);
    const at = fault === "cut" ? undefined : this.#random.pick([one, other]);
    await this.#network.cause(fault, link, at);
    this.caused.push(`${fault} ${link}`);
    if (mending !== undefined) this.#mend = () => this.#network.cause(mending, link, at);
  }

  async mend(): Promise<void> {
    await this.#mend?.();
    this.#mend = undefined;
  }
}
