/**
 * The origin's side of split relay: the key is the XOR of n shares, sent as n relays over node-disjoint routes, so that no node
 * between the ends knows it, and no n-1 of them together.
 *
 * A lost share may have been seen on its way. It is never sent again: a fresh one, with other random bytes, other pads and other
 * names, takes its place, on a route that shares no node with those of the key's other shares. The key exists when the target
 * proves the XOR; until then there is nothing of it in any pool.
 */
import type { SegmentName } from "../model/ids.ts";
import { KeyMaterial } from "../model/key-material.ts";
import type { RelayAnswer } from "../peer/peer-messages.ts";
import type { MonotonicMs } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import { randomName } from "../runtime/random.ts";
import type { Route, Router } from "../topology/router.ts";
import type { OutboundPool } from "./outbound-pool.ts";
import {
  ON_DEMAND_ANSWER_MS,
  type Carriage,
  type RelayCarrier,
  type RelayCarrierParts,
  type RelayRefused,
} from "./relay-carrier.ts";
import { encodeRelayPlan, payloadBytesOf, splitPayload, type RelayPlan } from "./relay-frame.ts";
import { payloadOf, planOf, type RelayOrder } from "./relay-order.ts";
import { relayProofVerifies } from "./relay-proof.ts";
import type { SplitMetrics } from "./split-metrics.ts";
import { joinShares, type Share } from "./split-key.ts";

/** A share that is not answered in this time is lost; a longer silence would cost the other shares their time. */
const SHARE_ANSWER_MS: MonotonicMs = 3_000;
/** For one key: more losses are a trouble of the network that waiting mends, and spending does not. */
const REPLACEMENTS_MAX = 2;
const SPLIT_KEY_BYTES = 16;

export interface SplitRelayParts extends RelayCarrierParts {
  readonly carrier: RelayCarrier;
  readonly router: Pick<Router, "routeBeside" | "report">;
  readonly log: Logger;
  readonly splitMetrics: SplitMetrics;
  readonly keyLifetimeMs: number;
}

interface Established {
  readonly kind: "established";
  readonly bytes: number;
  readonly routes: readonly Route[];
  readonly tookMs: number;
}
type SplitOutcome = RelayRefused | Established;
type Proven = Extract<RelayAnswer["outcome"], { kind: "established" }>;

/** A place in the key, and what fills it now. */
interface Part {
  readonly index: number;
  route: Route;
  carriage: Carriage | undefined;
  sent: Share | undefined;
}

export class SplitRelay {
  readonly #parts: SplitRelayParts;

  constructor(parts: SplitRelayParts) {
    this.#parts = parts;
  }

  /** @param routes  node-disjoint; as many as the key is to have shares */
  async establish(
    order: RelayOrder,
    pool: OutboundPool,
    routes: readonly Route[],
    deadline: AbortSignal,
  ): Promise<SplitOutcome> {
    const attempt = new SplitAttempt(this.#parts, order, pool, routes, deadline);
    try {
      const outcome = await attempt.run();
      this.#parts.splitMetrics.splitKeys.add({ result: outcome.kind === "refused" ? outcome.reason : outcome.kind });
      return outcome;
    } finally {
      attempt.end();
    }
  }
}

class SplitAttempt {
  readonly #parts: SplitRelayParts;
  readonly #order: RelayOrder;
  readonly #pool: OutboundPool;
  readonly #carriesIdSecret: boolean;
  readonly #totalBytes: number;
  readonly #key: string;
  readonly #places: readonly Part[];
  /** Aborts with the deadline, and as soon as the target has proven the key: no other answer is needed then. */
  readonly #over = new AbortController();
  readonly #forgetDeadline: () => void;
  #names: readonly SegmentName[] = [];
  #replacementsLeft = REPLACEMENTS_MAX;
  #proven: Proven | undefined;
  #failed: RelayRefused | undefined;

  constructor(
    parts: SplitRelayParts,
    order: RelayOrder,
    pool: OutboundPool,
    routes: readonly Route[],
    deadline: AbortSignal,
  ) {
    const wished = payloadOf(order, pool);
    this.#parts = parts;
    this.#order = order;
    this.#pool = pool;
    this.#carriesIdSecret = wished.carriesIdSecret;
    this.#totalBytes = payloadBytesOf(wished);
    this.#key = randomName(parts.random, SPLIT_KEY_BYTES);
    this.#places = routes.map((route, index) => ({ index, route, carriage: undefined, sent: undefined }));
    const end = (): void => this.#over.abort();
    if (deadline.aborted) end();
    deadline.addEventListener("abort", end, { once: true });
    this.#forgetDeadline = () => deadline.removeEventListener("abort", end);
  }

  async run(): Promise<SplitOutcome> {
    const refused = await this.#reserveAll();
    if (refused !== undefined) return refused;
    const reservedAt = this.#parts.clock.monotonic();
    this.#names = this.#freshNames();
    await Promise.all(this.#places.map((part) => this.#bring(part)));
    const outcome = await this.#conclude();
    return outcome.kind === "refused" ? outcome : { ...outcome, tookMs: this.#parts.clock.monotonic() - reservedAt };
  }

  /** Erases all shares and lets go of the pad that was not spent. */
  end(): void {
    this.#forgetDeadline();
    for (const { carriage, sent } of this.#places) {
      if (carriage !== undefined) this.#parts.carrier.release(carriage);
      sent?.payload.erase();
    }
  }

  /** Nothing is sent before all routes keep pad. In the order of links, so that two keys never wait for each other's. */
  async #reserveAll(): Promise<RelayRefused | undefined> {
    for (const part of [...this.#places].sort((one, other) => (one.route[0] < other.route[0] ? -1 : 1))) {
      for (;;) {
        const refused = await this.#reserve(part);
        if (refused === undefined) break;
        const before = part.route.join();
        if (!this.#reroute(part) || part.route.join() === before) return refused;
      }
    }
    return undefined;
  }

  async #reserve(part: Part): Promise<RelayRefused | undefined> {
    const { carrier, router } = this.#parts;
    const { keyClass, urgency } = this.#order;
    const cargo = { keyClass, urgency, totalBytes: this.#totalBytes, shares: this.#places.length };
    const reserved = await carrier.reserve(part.route, cargo, this.#over.signal);
    if (reserved.kind === "reserved") {
      part.carriage = reserved;
      return undefined;
    }
    router.report(part.route, reserved);
    return reserved;
  }

  /** @returns false where there is no other way for this part, or too many were tried */
  #reroute(part: Part): boolean {
    if (this.#over.signal.aborted || this.#failed !== undefined || this.#replacementsLeft === 0) return false;
    const others = this.#places.filter((other) => other !== part).map(({ route }) => route);
    const route = this.#parts.router.routeBeside(this.#order.target, others);
    if (route === undefined) return false;
    this.#replacementsLeft -= 1;
    part.route = route;
    return true;
  }

  /** Sends shares until one has arrived, or no more may be sent. */
  async #bring(part: Part): Promise<void> {
    const { splitMetrics: metrics, router, log } = this.#parts;
    for (;;) {
      const outcome = await this.#send(part);
      if (outcome.kind === "share-held") return metrics.splitShares.add({ result: "held" });
      if (outcome.kind === "established") {
        this.#proven = outcome;
        this.#over.abort();
        return metrics.splitShares.add({ result: "held" });
      }
      if (this.#proven !== undefined) return metrics.splitShares.add({ result: "held" }); // its answer came later than the proof
      metrics.splitShares.add({ result: "lost" });
      router.report(part.route, outcome);
      part.sent?.payload.erase(); // whoever saw it on its way will not see what it was a share of
      part.sent = undefined;
      if (!this.#reroute(part)) return void (this.#failed ??= outcome);
      log.debug("a share was lost: a fresh one takes its place", {
        target: this.#order.target,
        reason: outcome.reason,
      });
      const refused = await this.#reserve(part);
      if (refused !== undefined) return void (this.#failed ??= refused);
      this.#names = this.#freshNames();
    }
  }

  async #send(part: Part): Promise<RelayAnswer["outcome"]> {
    const { carrier, clock, metrics } = this.#parts;
    const plan = this.#plan(part);
    const planBytes = encodeRelayPlan(plan);
    const payload = KeyMaterial.allocate(this.#totalBytes);
    part.sent = { plan, planBytes, payload };
    const startedAt = clock.monotonic();
    const answerMs = this.#order.urgency === "on-demand" ? ON_DEMAND_ANSWER_MS : SHARE_ANSWER_MS;
    const patience = clock.timeout(answerMs, this.#over.signal);
    const outcome = await carrier.send(part.carriage!, planBytes, payload, patience);
    metrics.ended({
      role: "origin",
      result: outcome.kind === "refused" ? outcome.reason : outcome.kind,
      hops: part.route.length,
      durationMs: clock.monotonic() - startedAt,
    });
    return outcome;
  }

  #plan({ index, route }: Part): RelayPlan {
    return planOf({
      ...this.#parts,
      order: this.#order,
      pool: this.#pool,
      names: this.#names,
      route,
      carriesIdSecret: this.#carriesIdSecret,
      share: { key: this.#key, shares: this.#places.length, index },
    });
  }

  #freshNames(): readonly SegmentName[] {
    return this.#pool.nextNames(this.#order.segmentBytes.length);
  }

  async #conclude(): Promise<RelayRefused | Omit<Established, "tookMs">> {
    const { carrier, clock, log, self } = this.#parts;
    const { target } = this.#order;
    const shares = this.#places.flatMap(({ sent }) => (sent === undefined ? [] : [sent]));
    if (this.#proven === undefined || shares.length < this.#places.length) {
      return this.#failed ?? { ...carrier.refusedHere("deadline"), atHop: target };
    }
    const { proof, incarnation } = this.#proven;
    const { plan, routes, provenPlan, payload } = joinShares(shares);
    using key = payload;
    if (!key.expose((bytes) => relayProofVerifies(provenPlan, bytes, proof))) {
      // the target may have proven the key with a share that had been given up; without one, somebody changed something
      const wasReplaced = this.#replacementsLeft < REPLACEMENTS_MAX;
      if (!wasReplaced) log.error("the proof of a split key is wrong: it is thrown away", { target });
      return { kind: "refused", reason: "proof-wrong", atHop: target };
    }
    const provenance = { origin: self, routes, establishedAt: clock.wall() };
    await key.expose((bytes) =>
      this.#pool.add({ ...splitPayload(plan, bytes), provenance, targetIncarnation: incarnation }),
    );
    log.debug("split key established", { target, shares: shares.length });
    const bytes = plan.segments.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
    return { kind: "established", bytes, routes };
  }
}
