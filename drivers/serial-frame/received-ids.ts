/** Which ids a module gave already: within a run its ids only grow, so the newest of each run says it for all. */
import type { QkdKeyId } from "../../src/model/ids.ts";

const RUN_DIGITS = 16;
/** A module that starts more runs than this within one dialogue is refused its further keys. */
const RUNS_MAX = 64;

export class ReceivedIds {
  readonly #newest = new Map<string, QkdKeyId>();

  /** Forgets all but that `stored`, and what was before it, is there. */
  restart(stored: QkdKeyId | undefined): void {
    this.#newest.clear();
    if (stored !== undefined) this.#newest.set(stored.slice(0, RUN_DIGITS), stored);
  }

  /** @returns false for an id that was given before, or is older than one that was */
  accept(id: QkdKeyId): boolean {
    const run = id.slice(0, RUN_DIGITS);
    const newest = this.#newest.get(run);
    if (newest === undefined ? this.#newest.size >= RUNS_MAX : id <= newest) return false;
    this.#newest.set(run, id);
    return true;
  }
}
