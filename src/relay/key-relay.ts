/**
 * The origin's side of a relay: draws the ciphertext, sends it along a route, checks the destination's proof.
 *
 * **The origin draws the ciphertext, not the key**: `c` is random and the relayed key is `c XOR pad`. So the key is as secret as
 * the link's key, and does not depend on how good the operating system's generator is.
 */
import { QkdError } from "../model/errors.ts";
import type { KeyClass, NodeId, RelayId } from "../model/ids.ts";
import { KeyMaterial } from "../model/key-material.ts";
import type { QkdLink } from "../link/qkd-link.ts";
import type { RelayAnswer, RelayRefusal, RelayReservationAnswer } from "../peer/peer-messages.ts";
import type { Clock, MonotonicMs } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import { randomName, type Random } from "../runtime/random.ts";
import type { Route, Router } from "../topology/router.ts";
import type { OutboundPool } from "./outbound-pool.ts";
import { PadQueue } from "./pad-queue.ts";
import { RESERVATION_MS, type PadReservations, type RelayUrgency } from "./pad-reservations.ts";
import {
  encodeRelayHeader,
  encodeRelayPlan,
  ID_SECRET_BYTES,
  payloadBytesOf,
  PROOF_KEY_BYTES,
  RELAY_BYTES_MAX,
  type PlannedSegment,
  type RelayPlan,
} from "./relay-frame.ts";
import type { RelayMetrics } from "./relay-metrics.ts";
import { relayProofVerifies } from "./relay-proof.ts";

const RELAYS_IN_FLIGHT_MAX = 64;
const FRAME_PAYLOAD_BYTES_MAX = 60_000;
/** Who waits for a key cannot wait for a node that stands still: the time is enough for another way. */
const ON_DEMAND_ANSWER_MS: MonotonicMs = 1_000;
/** For one order. */
const ROUTES_TRIED_MAX = 3;

export interface RelayOrder {
  readonly target: NodeId;
  readonly keyClass: KeyClass;
  /** Lengths of the segments to establish, in bytes. */
  readonly segmentBytes: readonly number[];
  readonly urgency: RelayUrgency;
}

interface RelayRefused {
  readonly kind: "refused";
  readonly reason: RelayRefusal | "proof-wrong";
  readonly atHop: NodeId;
}

interface RelayArrival {
  readonly kind: "established";
  readonly bytes: number;
  readonly route: Route;
}

/** Partial success does not exist: a relay arrives whole or not at all. */
export type RelayOutcome =
  | (RelayArrival & {
      /** From the moment when its pad was there to its use at both ends. */
      readonly tookMs: number;
    })
  | { readonly kind: "no-route" }
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

export interface KeyRelayParts {
  readonly self: NodeId;
  readonly router: Router;
  readonly links: ReadonlyMap<NodeId, QkdLink>;
  readonly reservations: PadReservations;
  readonly pool: (target: NodeId, keyClass: KeyClass) => OutboundPool | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: RelayMetrics;
  readonly keyLifetimeMs: number;
}

/** What is awaited of the next hop, by the name of the relay. */
interface Awaited<Outcome> {
  readonly link: QkdLink;
  readonly settle: (outcome: Outcome | Refused) => void;
}

type Refused = Extract<RelayAnswer["outcome"], { kind: "refused" }>;

interface Attempt {
  readonly relay: RelayId;
  readonly order: RelayOrder;
  readonly pool: OutboundPool;
  readonly route: Route;
  readonly link: QkdLink;
  readonly totalBytes: number;
  readonly carriesIdSecret: boolean;
}

export function createKeyRelay(parts: KeyRelayParts): KeyRelay {
  return new OriginRelay(parts);
}

class OriginRelay implements KeyRelay {
  readonly #parts: KeyRelayParts;
  readonly #attempts = new Map<RelayId, Awaited<RelayAnswer["outcome"]>>();
  readonly #reserving = new Map<RelayId, Awaited<RelayReservationAnswer["outcome"]>>();
  readonly #queue: PadQueue;
  readonly #inFlight = new Map<string, number>();
  /** Pools whose first relay of this epoch, which brings the id secret, is under way. */
  readonly #founding = new Map<OutboundPool, Promise<unknown>>();

  constructor(parts: KeyRelayParts) {
    this.#parts = parts;
    this.#queue = new PadQueue(parts.reservations);
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

  answer(link: QkdLink, { relay, outcome }: RelayAnswer): boolean {
    const attempt = this.#attempts.get(relay);
    if (attempt?.link !== link) return false;
    attempt.settle(outcome);
    return true;
  }

  reservationAnswer(link: QkdLink, { relay, outcome }: RelayReservationAnswer): boolean {
    const asked = this.#reserving.get(relay);
    if (asked?.link !== link) return false;
    asked.settle(outcome);
    return true;
  }

  padsAvailable(link: QkdLink): void {
    this.#queue.padsAvailable(link);
  }

  down(link: QkdLink): void {
    for (const awaited of [...this.#attempts.values(), ...this.#reserving.values()]) {
      if (awaited.link === link) awaited.settle(refusal("unreachable", this.#parts.self));
    }
    this.#queue.down(link);
  }

  /** The relay that brings a pool its id secret goes alone; all others wait for it. */
  async #establishInTurn(order: RelayOrder, pool: OutboundPool, deadline: AbortSignal): Promise<RelayOutcome> {
    while (!pool.hasIdSecret && this.#founding.has(pool)) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const wake = (): void => resolve();
      deadline.addEventListener("abort", wake, { once: true });
      await Promise.race([this.#founding.get(pool), promise]);
      deadline.removeEventListener("abort", wake);
      if (deadline.aborted) return refusedHere("deadline", this.#parts.self);
    }
    if (pool.hasIdSecret) return this.#tryRoutes(order, pool, deadline);
    const founding = this.#tryRoutes(order, pool, deadline);
    const settled = founding.catch(() => undefined);
    this.#founding.set(pool, settled);
    try {
      return await founding;
    } finally {
      this.#founding.delete(pool);
    }
  }

  /** What one way refuses another may take: at once, while there is one that was not tried. */
  async #tryRoutes(order: RelayOrder, pool: OutboundPool, deadline: AbortSignal): Promise<RelayOutcome> {
    const { router, self } = this.#parts;
    let route = router.route(order.target);
    if (route === undefined) return { kind: "no-route" };
    for (let tried = 1; ; tried++) {
      const underWay = this.#attempts.size + this.#reserving.size;
      const bytes = payloadBytesOf({ segments: sizesOf(order), carriesIdSecret: !pool.hasIdSecret });
      if (bytes > RELAY_BYTES_MAX || underWay >= RELAYS_IN_FLIGHT_MAX) return refusedHere("busy", self);
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
    const { self, links, clock } = this.#parts;
    const link = links.get(route[0]);
    if (link?.up !== true) return refusedHere("unreachable", self);
    const carriesIdSecret = !pool.hasIdSecret;
    const totalBytes = payloadBytesOf({ segments: sizesOf(order), carriesIdSecret });
    const relay = randomName(this.#parts.random, 16) as RelayId;
    const attempt = { relay, order, pool, route, link, totalBytes, carriesIdSecret };
    const demand = { bytes: totalBytes, urgency: order.urgency };
    const refused = await this.#queue.reserve(relay, link, demand, deadline);
    if (refused !== undefined) return refusedHere(refused, self);
    const reservedAt = clock.monotonic();
    try {
      const reserved = route.length === 1 ? GRANTED : await this.#reserveOnward(attempt, deadline);
      if (reserved.kind !== "granted") return reserved;
      const outcome = await this.#sendAndWait(attempt, deadline);
      return outcome.kind === "established" ? { ...outcome, tookMs: clock.monotonic() - reservedAt } : outcome;
    } finally {
      this.#parts.reservations.release(relay);
    }
  }

  /** Asks all hops to keep pad: a route that cannot carry the relay costs none then. */
  async #reserveOnward(
    { relay, order, route, link, totalBytes }: Attempt,
    deadline: AbortSignal,
  ): Promise<RelayReservationAnswer["outcome"]> {
    const { clock, self } = this.#parts;
    const { promise, resolve } = Promise.withResolvers<RelayReservationAnswer["outcome"]>();
    const giveUp = (): void => resolve(refusal("deadline", self));
    const { keyClass, urgency } = order;
    const request = { kind: "relay-reservation", relay, origin: self, keyClass, route, totalBytes, urgency } as const;
    if (!link.send(request)) return refusal("busy", self);
    this.#reserving.set(relay, { link, settle: resolve });
    const cancelTimer = clock.after(urgency === "on-demand" ? ON_DEMAND_ANSWER_MS : RESERVATION_MS, giveUp);
    deadline.addEventListener("abort", giveUp, { once: true });
    try {
      return await promise;
    } finally {
      this.#reserving.delete(relay);
      cancelTimer();
      deadline.removeEventListener("abort", giveUp);
    }
  }

  #plan({ order, pool, route, carriesIdSecret }: Attempt): RelayPlan {
    const expiresAt = Math.floor(this.#parts.clock.wall() + this.#parts.keyLifetimeMs);
    const names = pool.nextNames(order.segmentBytes.length);
    const segments = order.segmentBytes.map((lengthBytes, i) => ({ name: names[i]!, lengthBytes, expiresAt }));
    const { self } = this.#parts;
    return { origin: self, route, keyClass: order.keyClass, carriesIdSecret, segments, live: pool.liveRuns() };
  }

  async #sendAndWait(attempt: Attempt, deadline: AbortSignal): Promise<RelayArrival | RelayRefused> {
    const { clock, metrics, self, log, reservations } = this.#parts;
    const { relay, link, pool, totalBytes } = attempt;
    const plan = this.#plan(attempt);
    const planBytes = encodeRelayPlan(plan);
    const { promise, resolve } = Promise.withResolvers<RelayAnswer["outcome"]>();
    this.#attempts.set(relay, { link, settle: resolve });
    const startedAt = clock.monotonic();
    const giveUp = (): void => resolve(refusal("deadline", self));
    deadline.addEventListener("abort", giveUp, { once: true });
    using payload = KeyMaterial.allocate(totalBytes);
    try {
      if (deadline.aborted) resolve(refusal("deadline", self));
      else if (!this.#send(relay, planBytes, payload, link)) resolve(refusal("busy", self));
      reservations.release(relay); // its pad is spent
      const outcome = await promise;
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
    } finally {
      deadline.removeEventListener("abort", giveUp);
      this.#attempts.delete(relay);
    }
  }

  /** @returns false when pad or line ended in the middle: what was sent of it is lost */
  #send(relay: RelayId, plan: Uint8Array, payload: KeyMaterial, link: QkdLink): boolean {
    const { random, metrics } = this.#parts;
    const totalBytes = payload.lengthBytes;
    for (let offset = 0; offset < totalBytes;) {
      const from = offset;
      const header = (): Uint8Array =>
        encodeRelayHeader({
          relay,
          payloadOffset: from,
          totalBytes,
          timeLeftMs: TIME_LEFT_MS,
          plan: from === 0 ? plan : new Uint8Array(0),
        });
      const frame = link.seal(Math.min(FRAME_PAYLOAD_BYTES_MAX, totalBytes - from), header, (ciphertext, pad) => {
        random.fill(ciphertext as Uint8Array<ArrayBuffer>);
        payload.expose((key) => {
          for (let i = 0; i < pad.length; i++) key[from + i] = ciphertext[i]! ^ pad[i]!;
        });
      });
      if (frame === undefined || !link.send({ kind: "frame", bytes: frame.bytes })) return false;
      metrics.frames.add({ role: "origin" });
      offset += frame.payloadBytes;
    }
    return true;
  }

  async #conclude(
    outcome: RelayAnswer["outcome"],
    plan: RelayPlan,
    planBytes: Uint8Array,
    payload: KeyMaterial,
    pool: OutboundPool,
  ): Promise<RelayArrival | RelayRefused> {
    const { clock, log, self } = this.#parts;
    if (outcome.kind === "refused") return { kind: "refused", reason: outcome.reason, atHop: outcome.atHop };
    if (!payload.expose((bytes) => relayProofVerifies(planBytes, bytes, outcome.proof))) {
      log.error("the proof of a relay is wrong: its key is thrown away", { target: pool.id.remote });
      return { kind: "refused", reason: "proof-wrong", atHop: pool.id.remote };
    }
    const provenance = { origin: self, route: plan.route, establishedAt: clock.wall() };
    await payload.expose((bytes) =>
      pool.add({ ...splitPayload(plan, bytes), provenance, targetIncarnation: outcome.incarnation }),
    );
    const bytes = plan.segments.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
    return { kind: "established", bytes, route: plan.route };
  }
}

/** How long a relay may be under way after the origin has sent it; the transit nodes forget it then. */
export const TIME_LEFT_MS: MonotonicMs = 10_000;

/** The parts of a relay's payload, as views. */
export function splitPayload(
  plan: RelayPlan,
  payload: Uint8Array,
): {
  readonly segments: readonly (PlannedSegment & { readonly bytes: Uint8Array })[];
  readonly idSecret: Uint8Array | undefined;
  readonly proofKeyBytes: number;
} {
  let at = PROOF_KEY_BYTES;
  const next = (length: number): Uint8Array => payload.subarray(at, (at += length));
  const idSecret = plan.carriesIdSecret ? next(ID_SECRET_BYTES) : undefined;
  const segments = plan.segments.map((segment) => ({ ...segment, bytes: next(segment.lengthBytes) }));
  return { segments, idSecret, proofKeyBytes: PROOF_KEY_BYTES };
}

const poolName = (target: NodeId, keyClass: KeyClass): string => `${target}/${keyClass}`;

const GRANTED = { kind: "granted" } as const;

const sizesOf = ({ segmentBytes }: RelayOrder): { readonly lengthBytes: number }[] =>
  segmentBytes.map((lengthBytes) => ({ lengthBytes }));

const refusal = (reason: RelayRefusal, atHop: NodeId): Refused => ({ kind: "refused", reason, atHop });

const refusedHere = (reason: RelayRefusal, atHop: NodeId): RelayOutcome => ({ kind: "refused", reason, atHop });
