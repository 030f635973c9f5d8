/** How a pool's remote node is reached at this moment: by which routes, over which of our links, with how much pad. */
import type { NodeId } from "../model/ids.ts";
import type { QkdLink } from "../link/qkd-link.ts";
import type { PadReservations } from "../relay/pad-reservations.ts";
import type { PoolId } from "../relay/pool-records.ts";
import { poolWays, type PoolWays, type SplitPolicy } from "../relay/split-policy.ts";
import type { Router } from "../topology/router.ts";

export interface PoolReachParts {
  readonly router: Router;
  readonly links: ReadonlyMap<NodeId, QkdLink>;
  readonly reservations: Pick<PadReservations, "freeBytes">;
  readonly splitOf: (pool: PoolId) => SplitPolicy | undefined;
}

export class PoolReach {
  readonly #parts: PoolReachParts;

  constructor(parts: PoolReachParts) {
    this.#parts = parts;
  }

  splitOf(pool: PoolId): SplitPolicy | undefined {
    return this.#parts.splitOf(pool);
  }

  ways(pool: PoolId): PoolWays {
    return poolWays(this.#parts.router, pool.remote, this.#parts.splitOf(pool));
  }

  canRelay(pool: PoolId): boolean {
    const links = this.#firstLinks(pool);
    return this.ways(pool).blocked === undefined && links.length > 0 && links.every(({ up }) => up);
  }

  /** What a refill could send at once; where it is split, of each share. */
  reachableBytes(pool: PoolId): number {
    const links = this.ways(pool).blocked === undefined ? this.#firstLinks(pool) : [];
    return least(links.map((link) => this.#parts.reservations.freeBytes(link, "refill")));
  }

  /** Pad towards the first hops, open or to be opened within a moment. */
  padBytes(pool: PoolId): number {
    if (!this.canRelay(pool)) return 0;
    const reports = this.#firstLinks(pool).map((link) => link.report());
    return least(reports.map(({ outboundBytes, openOutboundBytes }) => outboundBytes + openOutboundBytes));
  }

  #firstLinks(pool: PoolId): readonly QkdLink[] {
    return this.ways(pool).routes.flatMap(([first]) => this.#parts.links.get(first) ?? []);
  }
}

const least = (bytes: readonly number[]): number => (bytes.length === 0 ? 0 : Math.min(...bytes));
