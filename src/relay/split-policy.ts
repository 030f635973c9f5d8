/**
 * By how many routes a pool's key has to come: a key that is the XOR of n shares over node-disjoint routes is known to no trusted
 * node between its ends, and to no n-1 of them together.
 */
import type { NodeId } from "../model/ids.ts";
import type { Route, Router } from "../topology/router.ts";

/** More shares are more pad for each key; few networks have so many disjoint routes. */
export const SHARES_MAX = 8;

/**
 * What to do while there are fewer disjoint routes than the policy asks for. wait: nothing is relayed until there are enough.
 * degrade: the key is split over those that there are, and marked. refuse: as wait, and an alarm is raised.
 */
export type WhenTooFewRoutes = "wait" | "degrade" | "refuse";
export const WHEN_TOO_FEW_ROUTES: readonly WhenTooFewRoutes[] = ["wait", "degrade", "refuse"];

export interface SplitPolicy {
  /** 2 to `SHARES_MAX`. */
  readonly disjointPaths: number;
  readonly whenTooFewRoutes: WhenTooFewRoutes;
}

/** The routes by which a pool is filled at this moment: one, or as many disjoint ones as its policy asks for. */
export interface PoolWays {
  readonly routes: readonly Route[];
  readonly wanted: number;
  /** Why nothing may be relayed although a route is there; undefined where nothing is in the way. */
  readonly blocked: string | undefined;
}

export function poolWays(
  router: Pick<Router, "route" | "disjointRoutes">,
  target: NodeId,
  split: SplitPolicy | undefined,
): PoolWays {
  const wanted = split?.disjointPaths ?? 1;
  const disjoint = split === undefined ? [] : router.disjointRoutes(target, wanted);
  if (disjoint.length < wanted && split !== undefined && split.whenTooFewRoutes !== "degrade") {
    const verb = split.whenTooFewRoutes === "refuse" ? "refuses" : "waits";
    return { routes: disjoint, wanted, blocked: `${verb}: ${disjoint.length} of ${wanted} disjoint routes are there` };
  }
  if (disjoint.length > 1) return { routes: disjoint, wanted, blocked: undefined };
  const route = router.route(target);
  return { routes: route === undefined ? [] : [route], wanted, blocked: undefined };
}

/** Whether key that came by so many routes may be in a pool: single-route bytes are never given to whom split relay was promised. */
export function admitsShares(split: SplitPolicy | undefined, shares: number): boolean {
  return split === undefined || split.whenTooFewRoutes === "degrade" || shares >= split.disjointPaths;
}
