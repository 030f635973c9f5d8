/** SAEs that ask and fetch all the time, and a book of all they received: which laws of supply were broken, if any. */
import { setTimeout as sleep } from "node:timers/promises";
import type { SeededRandom } from "../fakes/seeded-random.ts";
import type { Answer, GivenKey, SaeClient } from "./sae-client.ts";

const FETCH_MS_MAX = 25_000;
const RETRY_MS = 150;

interface Flow {
  readonly initiator: SaeClient;
  readonly target: SaeClient;
}

/** A key that was supplied at both sides. */
export interface SharedKey extends Flow {
  readonly id: string;
}

export class SupplyLoad {
  /** Sentences; empty when every law held. */
  readonly violations: string[] = [];
  readonly shared: SharedKey[] = [];
  readonly counts = { supplied: 0, fetched: 0, lostAsking: 0, lostFetching: 0, shortages: 0, unanswered: 0, asked: 0 };
  readonly latencies = { enc: [] as number[], dec: [] as number[] };
  readonly #random: SeededRandom;
  readonly #ids = new Set<string>();
  readonly #bits = new Set<string>();
  readonly #workers: Promise<void>[] = [];
  #stopped = false;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  start<Sae extends string>(network: { sae(id: Sae): SaeClient }, initiator: Sae, target: Sae): void {
    this.#workers.push(this.#work({ initiator: network.sae(initiator), target: network.sae(target) }));
  }

  /** Until what was begun has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#workers);
  }

  /** Asks for the copy of a key that its target has received already. */
  async fetchAgain({ initiator, target, id }: SharedKey): Promise<void> {
    const answer = await this.#answer(() => target.dec(initiator.id, [id]));
    if (answer?.status === 200) this.violations.push(`key ${id} was supplied twice to ${target.id}`);
  }

  async #work(flow: Flow): Promise<void> {
    while (!this.#stopped) {
      await sleep(this.#random.below(40));
      const wish = { number: 1 + this.#random.below(4), size: this.#random.pick([128, 256, 256, 512]) };
      const answer = await this.#answer(() => flow.initiator.enc(flow.target.id, wish));
      if (answer === undefined) {
        this.counts.lostAsking += 1;
        await sleep(RETRY_MS);
      } else if (answer.status === 503) {
        this.counts.shortages += 1;
        await sleep(RETRY_MS);
      } else if (answer.status === 200) {
        this.latencies.enc.push(answer.ms);
        const keys = (JSON.parse(answer.text) as { keys: GivenKey[] }).keys;
        this.#book(keys);
        await sleep(this.#random.chance(0.3) ? this.#random.below(1_500) : 0);
        await this.#fetch(flow, keys);
      } else this.violations.push(`enc_keys answered ${answer.status}: ${answer.text}`);
    }
  }

  #book(keys: readonly GivenKey[]): void {
    this.counts.supplied += keys.length;
    for (const { key_ID, key } of keys) {
      if (this.#ids.has(key_ID)) this.violations.push(`key ${key_ID} was supplied twice to initiators`);
      // 128 bits of chance: equal ones were cut from one place
      if (this.#bits.has(key)) this.violations.push(`the bits of key ${key_ID} were supplied before`);
      this.#ids.add(key_ID);
      this.#bits.add(key);
    }
  }

  /** Again until there is an answer. Only keys whose answer may have been lost may be gone. */
  async #fetch(flow: Flow, keys: readonly GivenKey[]): Promise<void> {
    const ids = keys.map(({ key_ID }) => key_ID);
    const deadline = performance.now() + FETCH_MS_MAX;
    for (let unanswered = 0; performance.now() < deadline; unanswered += 1) {
      const answer = await this.#answer(() => flow.target.dec(flow.initiator.id, ids));
      if (answer?.status === 200) {
        this.latencies.dec.push(answer.ms);
        this.#compare(flow, keys, answer);
        return;
      }
      if (answer?.status === 400 && unanswered > 0) {
        this.counts.lostFetching += keys.length;
        return;
      }
      if (answer !== undefined) {
        this.violations.push(`dec_keys of keys just supplied answered ${answer.status}: ${answer.text}`);
        return;
      }
      await sleep(RETRY_MS);
    }
    this.violations.push(`no answer to dec_keys at ${flow.target.id} for ${FETCH_MS_MAX} ms`);
  }

  #compare(flow: Flow, keys: readonly GivenKey[], { text }: Answer): void {
    const copies = new Map((JSON.parse(text) as { keys: GivenKey[] }).keys.map(({ key_ID, key }) => [key_ID, key]));
    for (const { key_ID, key } of keys) {
      if (copies.get(key_ID) !== key) this.violations.push(`the two ends hold different bits for ${key_ID}`);
      this.shared.push({ ...flow, id: key_ID });
    }
    this.counts.fetched += keys.length;
  }

  /** @returns undefined when the daemon was gone before it had answered */
  async #answer(ask: () => Promise<Answer>): Promise<Answer | undefined> {
    this.counts.asked += 1;
    try {
      return await ask();
    } catch {
      this.counts.unanswered += 1;
      return undefined;
    }
  }
}
