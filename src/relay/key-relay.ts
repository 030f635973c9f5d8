/**
 * The origin's side of a relay: finds a route, or as many disjoint ones as the pool's policy asks for, sends, and checks the
 * destination's proof.
 */
import { QkdError } from "../model/errors.ts";
import type { KeyClass, NodeId } from "../model/ids.ts";
import { KeyMaterial } from "../model/key-material.ts";
import type { QkdLink } from "../link/qkd-link.ts";
import type { RelayAnswer, RelayReservationAnswer } from "../peer/peer-messages.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Route, Router } from "../topology/router.ts";
import type { OutboundPool } from "./outbound-pool.ts";
import type { PoolId } from "./pool-records.ts";
import { RelayCarrier, type Carriage, type RelayCarrierParts, type RelayRefused } from "./relay-carrier.ts";
import { encodeRelayPlan, payloadBytesOf, RELAY_BYTES_MAX, splitPayload, type RelayPlan } from "./relay-frame.ts";
import { relayProofVerifies } from "./relay-proof.ts";
import { payloadOf, planOf, type RelayOrder } from "./relay-order.ts";
import type { SplitMetrics } from "./split-metrics.ts";
import { poolWays, type SplitPolicy } from "./split-policy.ts";
import { SplitRelay } from "./split-relay.ts";

const RELAYS_IN_FLIGHT_MAX = 64;
/** For one order. */
const ROUTES_TRIED_MAX = 3;

interface RelayArrival {
  readonly kind: "established";
  readonly bytes: number;
  /** One for each share. */
  readonly routes: readonly Route[];
}

/** Partial success does not exist: a relay arrives whole or not at all. */
export type RelayOutcome =
  | (RelayArrival & {
      /** From the moment when its pad was there to its use at both ends. */
      readonly tookMs: number;
    })
  | { readonly kind: "no-route" }
  /** Fewer disjoint routes than the pool's policy asks for: nothing was spent. */
  | { readonly kind: "too-few-routes" }
  | RelayRefused;

export interface KeyRelay {
  /** @throws QkdError KEY_UNKNOWN when there is no pool for the target and class */
  establish(order: RelayOrder, deadline: AbortSignal): Promise<RelayOutcome>;
  answer(link: QkdLink, answer: RelayAnswer): boolean;
  reservationAnswer(link: QkdLink, answer: RelayReservationAnswer): boolean;
  padsAvailable(link: QkdLink): void;
  down(link: QkdLink): void;
  /** Bytes that relays under way will bring a pool. */
  inFlightBytes(target: NodeId, keyClass: KeyClass): number;
}

export interface KeyRelayParts extends RelayCarrierParts {
  readonly router: Router;
  readonly pool: (target: NodeId, keyClass: KeyClass) => OutboundPool | undefined;
  /** Undefined where one route is enough. */
  readonly splitOf: (pool: PoolId) => SplitPolicy | undefined;
  readonly log: Logger;
  readonly splitMetrics: SplitMetrics;
  readonly keyLifetimeMs: number;
}

export function createKeyRelay(parts: KeyRelayParts): KeyRelay {
  return new OriginRelay(parts);
}

class OriginRelay implements KeyRelay {
  readonly #parts: KeyRelayParts;
  readonly #carrier: RelayCarrier;
  readonly #split: SplitRelay;
  readonly #inFlight = new Map<string, number>();
  /** Pools whose first relay of this epoch, which brings the id secret, is under way. */
  readonly #founding = new Map<OutboundPool, Promise<unknown>>();

  constructor(parts: KeyRelayParts) {
    this.#parts = parts;
    this.#carrier = new RelayCarrier(parts);
    this.#split = new SplitRelay({ ...parts, carrier: this.#carrier });
  }

  async establish(order: RelayOrder, deadline: AbortSignal): Promise<RelayOutcome> {
    const pool = this.#parts.pool(order.target, order.keyClass);
    if (pool === undefined) throw new QkdError("KEY_UNKNOWN", `no pool for ${order.target}, ${order.keyClass}`, {});
    const bytes = order.segmentBytes.reduce((sum, length) => sum + length, 0);
    const name = poolName(order.target, order.keyClass);
    this.#inFlight.set(name, (this.#inFlight.get(name) ?? 0) + bytes);
    try {
      return await this.#establishInTurn(order, pool, deadline);
    } finally {
      this.#inFlight.set(name, this.#inFlight.get(name)! - bytes);
    }
  }

  inFlightBytes(target: NodeId, keyClass: KeyClass): number {
    return this.#inFlight.get(poolName(target, keyClass)) ?? 0;
  }

  answer(link: QkdLink, answer: RelayAnswer): boolean {
    return this.#carrier.answer(link, answer);
  }

  reservationAnswer(link: QkdLink, answer: RelayReservationAnswer): boolean {
    return this.#carrier.reservationAnswer(link, answer);
  }

  padsAvailable(link: QkdLink): void {
    this.#carrier.padsAvailable(link);
  }

  down(link: QkdLink): void {
    this.#carrier.down(link);
  }

  /** The relay that brings a pool its id secret goes alone; all others wait for it. */
  async #establishInTurn(order: RelayOrder, pool: OutboundPool, deadline: AbortSignal): Promise<RelayOutcome> {
    while (!pool.hasIdSecret && this.#founding.has(pool)) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const wake = (): void => resolve();
      deadline.addEventListener("abort", wake, { once: true });
      await Promise.race([this.#founding.get(pool), promise]);
      deadline.removeEventListener("abort", wake);
      if (deadline.aborted) return this.#carrier.refusedHere("deadline");
    }
    if (pool.hasIdSecret) return this.#bring(order, pool, deadline);
    const founding = Promise.resolve(this.#bring(order, pool, deadline));
    const settled = founding.catch(() => undefined);
    this.#founding.set(pool, settled);
    try {
      return await founding;
    } finally {
      this.#founding.delete(pool);
    }
  }

  #bring(order: RelayOrder, pool: OutboundPool, deadline: AbortSignal): Promise<RelayOutcome> | RelayOutcome {
    const { router, splitOf } = this.#parts;
    const { routes, blocked } = poolWays(router, order.target, splitOf(pool.id));
    if (blocked !== undefined) return { kind: "too-few-routes" };
    if (payloadBytesOf(payloadOf(order, pool)) > RELAY_BYTES_MAX) return this.#carrier.refusedHere("busy");
    if (this.#carrier.underWay >= RELAYS_IN_FLIGHT_MAX) return this.#carrier.refusedHere("busy");
    return routes.length > 1
      ? this.#split.establish(order, pool, routes, deadline)
      : this.#tryRoutes(order, pool, deadline);
  }

  /** What one way refuses another may take: at once, while there is one that was not tried. */
  async #tryRoutes(order: RelayOrder, pool: OutboundPool, deadline: AbortSignal): Promise<RelayOutcome> {
    const { router } = this.#parts;
    let route = router.route(order.target);
    if (route === undefined) return { kind: "no-route" };
    for (let tried = 1; ; tried++) {
      if (this.#carrier.underWay >= RELAYS_IN_FLIGHT_MAX) return this.#carrier.refusedHere("busy");
      const outcome = await this.#attempt(route, order, pool, deadline);
      if (outcome.kind !== "refused") return outcome;
      router.report(route, outcome);
      const next = router.route(order.target);
      const isSame = next === undefined || next.join() === route.join();
      if (isSame || tried === ROUTES_TRIED_MAX || deadline.aborted) return outcome;
      route = next;
    }
  }

  async #attempt(route: Route, order: RelayOrder, pool: OutboundPool, deadline: AbortSignal): Promise<RelayOutcome> {
    const { keyClass, urgency } = order;
    const wished = payloadOf(order, pool);
    const cargo = { keyClass, urgency, totalBytes: payloadBytesOf(wished), shares: 1 };
    const carriage = await this.#carrier.reserve(route, cargo, deadline);
    if (carriage.kind === "refused") return carriage;
    try {
      const names = pool.nextNames(order.segmentBytes.length);
      const plan = planOf({ ...this.#parts, order, pool, names, route, carriesIdSecret: wished.carriesIdSecret });
      const outcome = await this.#sendAndWait(carriage, plan, pool, deadline);
      const tookMs = this.#parts.clock.monotonic() - carriage.reservedAt;
      return outcome.kind === "established" ? { ...outcome, tookMs } : outcome;
    } finally {
      this.#carrier.release(carriage);
    }
  }

  async #sendAndWait(
    carriage: Carriage,
    plan: RelayPlan,
    pool: OutboundPool,
    deadline: AbortSignal,
  ): Promise<RelayArrival | RelayRefused> {
    const { clock, metrics, log } = this.#parts;
    const startedAt = clock.monotonic();
    const planBytes = encodeRelayPlan(plan);
    using payload = KeyMaterial.allocate(payloadBytesOf(plan));
    const outcome = await this.#carrier.send(carriage, planBytes, payload, deadline);
    const result = await this.#conclude(outcome, plan, planBytes, payload, pool);
    metrics.ended({
      role: "origin",
      result: result.kind === "refused" ? result.reason : result.kind,
      hops: plan.route.length,
      durationMs: clock.monotonic() - startedAt,
    });
    if (result.kind === "established") {
      log.debug("relay established", { target: pool.id.remote, bytes: result.bytes, hops: plan.route.length });
    }
    return result;
  }

  async #conclude(
    outcome: RelayAnswer["outcome"],
    plan: RelayPlan,
    planBytes: Uint8Array,
    payload: KeyMaterial,
    pool: OutboundPool,
  ): Promise<RelayArrival | RelayRefused> {
    const { clock, log, self } = this.#parts;
    if (outcome.kind === "refused") return outcome;
    const isProven =
      outcome.kind === "established" && payload.expose((bytes) => relayProofVerifies(planBytes, bytes, outcome.proof));
    if (!isProven) {
      log.error("the proof of a relay is wrong: its key is thrown away", { target: pool.id.remote });
      return { kind: "refused", reason: "proof-wrong", atHop: pool.id.remote };
    }
    const provenance = { origin: self, routes: [plan.route], establishedAt: clock.wall() };
    await payload.expose((bytes) =>
      pool.add({ ...splitPayload(plan, bytes), provenance, targetIncarnation: outcome.incarnation }),
    );
    const bytes = plan.segments.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
    return { kind: "established", bytes, routes: [plan.route] };
  }
}

const poolName = (target: NodeId, keyClass: KeyClass): string => `${target}/${keyClass}`;
