/** What was seen of a network lately: the last look, what happened, and how much was asked of it a second. */
import type { NodeId } from "../model/ids.ts";
import { SECOND_MS } from "../model/units.ts";
import type { WallMs } from "../runtime/clock.ts";
import { type EventMemory, type Happening, happeningsBetween } from "./network-events.ts";
import type { NetworkView } from "./network-view.ts";
import type { Tone } from "./styled-line.ts";

export interface NetworkEvent extends Happening {
  readonly at: WallMs;
}

const EVENTS_MAX = 200;
/** Rates are those of so long a time, so that they can be read. */
const RATE_MS = 5 * SECOND_MS;
const VIEWS_MAX = 32;

export class NetworkHistory {
  readonly #views: NetworkView[] = [];
  readonly #events: NetworkEvent[] = [];
  readonly #memory: EventMemory = { emptied: new Set(), wasStocked: false };

  /** @returns what happened since the last one */
  add(view: NetworkView): readonly Happening[] {
    const before = this.#views.at(-1);
    const happenings = before === undefined ? [] : happeningsBetween(before, view, this.#memory);
    for (const { sentence, tone } of happenings) this.tell(view.at, sentence, tone);
    this.#views.push(view);
    while (this.#views.length > VIEWS_MAX || (this.#views[1]?.at ?? view.at) < view.at - RATE_MS) this.#views.shift();
    return happenings;
  }

  /** Something that no status shows. */
  tell(at: WallMs, sentence: string, tone: Tone): void {
    this.#events.push({ at, sentence, tone });
    if (this.#events.length > EVENTS_MAX) this.#events.shift();
  }

  get view(): NetworkView | undefined {
    return this.#views.at(-1);
  }

  /** The oldest first. */
  get events(): readonly NetworkEvent[] {
    return this.#events;
  }

  /** Requests of SAEs at that node; undefined while that is not known. */
  requestsPerSecond(id: NodeId): number | undefined {
    const [first, last] = [this.#views[0], this.#views.at(-1)];
    const requests = (view: NetworkView | undefined): number | undefined =>
      view?.nodes.find((node) => node.id === id)?.status?.supply.requests;
    const [before, after] = [requests(first), requests(last)];
    if (before === undefined || after === undefined || first === last) return undefined;
    return (Math.max(0, after - before) * SECOND_MS) / Math.max(1, last!.at - first!.at);
  }
}
