/** One measured window of a load: as fast as it is answered, or at a constant rate whatever the answers. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Lane } from "./lane.ts";
import type { Delays, LoadOrder, LoadResult, Step } from "./load-protocol.ts";

/** After the last request was due: what is still not answered then has failed. */
const LATE_ANSWERS_MS_MAX = 10_000;
const PAUSE_AFTER_FAILURE_MS = 10;

export class LoadWindow {
  readonly #lanes: readonly Lane[];
  readonly #delays: Record<Step, number[]> = { enc: [], dec: [], pair: [] };
  readonly #failures: Record<string, number> = {};
  #done = 0;

  constructor(lanes: readonly Lane[]) {
    this.#lanes = lanes;
  }

  async run({ seconds, perSecond }: LoadOrder): Promise<LoadResult> {
    const spentBefore = process.cpuUsage();
    const begun = performance.now();
    if (perSecond === undefined) await this.#asFastAsAnswered(begun + 1000 * seconds);
    else await this.#atRate(perSecond, Math.round(perSecond * seconds), begun);
    const { user, system } = process.cpuUsage(spentBefore);
    const measured = Object.entries(this.#delays).filter(([, ms]) => ms.length > 0);
    return {
      done: this.#done,
      failures: this.#failures,
      seconds: (performance.now() - begun) / 1000,
      delays: Object.fromEntries(measured.map(([step, ms]) => [step, delaysOf(ms)])),
      processorSeconds: (user + system) / 1e6,
    };
  }

  async #asFastAsAnswered(until: number): Promise<void> {
    const drive = async (lane: Lane): Promise<void> => {
      for (let now = performance.now(); now < until; now = performance.now()) {
        if (!(await this.#work(lane, now))) await sleep(PAUSE_AFTER_FAILURE_MS);
      }
    };
    await Promise.all(this.#lanes.map(drive));
  }

  /**
   * Request `i` is due at `i / perSecond`, and waits for a lane where none is free. Its delay counts from then: a client
   * that asks only after it was answered would leave out just the requests that a standstill would have hit.
   */
  async #atRate(perSecond: number, count: number, begun: number): Promise<void> {
    const free = [...this.#lanes];
    const dueAt = (i: number): number => begun + (1000 * i) / perSecond;
    const allAnswered = Promise.withResolvers<void>();
    const counts = { started: 0, answered: 0 };
    const startDue = (): void => {
      for (; counts.started < count && free.length > 0; counts.started += 1) {
        const due = dueAt(counts.started);
        if (due > performance.now()) return;
        const lane = free.shift()!; // each in its turn, as SAEs are
        void this.#work(lane, due).then(() => {
          free.push(lane);
          counts.answered += 1;
          if (counts.answered === count) allAnswered.resolve();
          startDue();
        });
      }
    };
    const giveUpAt = dueAt(count) + LATE_ANSWERS_MS_MAX;
    while (counts.started < count && performance.now() < giveUpAt) {
      await sleep(Math.max(1, dueAt(counts.started) - performance.now()));
      startDue();
    }
    await Promise.race([allAnswered.promise, sleep(LATE_ANSWERS_MS_MAX, undefined, { ref: false })]);
    if (counts.answered < count) this.#failures["not answered in time"] = count - counts.answered;
  }

  /** @returns whether there was a key */
  async #work(lane: Lane, dueAt: number): Promise<boolean> {
    try {
      const { enc, pair } = await lane.work();
      this.#delays.enc.push(enc! - dueAt);
      if (pair !== undefined) {
        this.#delays.dec.push(pair - enc!);
        this.#delays.pair.push(pair - dueAt);
      }
      this.#done += 1;
      return true;
    } catch (failure) {
      const { message } = failure as Error;
      this.#failures[message] = (this.#failures[message] ?? 0) + 1;
      return false;
    }
  }
}

function delaysOf(ms: readonly number[]): Delays {
  const sorted = Float64Array.from(ms).sort();
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: at(1) };
}
