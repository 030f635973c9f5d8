/**
 * A trusted node's side of a relay: opens frames, passes them on, or stores what arrived.
 *
 * In transit the relayed key is never formed: the ciphertext is XORed with (incoming pad XOR outgoing pad). Nothing waits here:
 * what cannot go on at once is refused.
 */
import { isQkdError } from "../model/errors.ts";
import { segmentEpoch, type Incarnation, type NodeId, type RelayId } from "../model/ids.ts";
import { KeyMaterial } from "../model/key-material.ts";
import { HOUR_MS } from "../model/units.ts";
import type { OpenedFrame } from "../link/inbound-pads.ts";
import type { QkdLink } from "../link/qkd-link.ts";
import type { Frame, RelayAnswer, RelayRefusal } from "../peer/peer-messages.ts";
import type { AuditTrail } from "../runtime/audit-trail.ts";
import type { Clock, MonotonicMs } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import { readFrame } from "../link/hop-frame.ts";
import type { PadReservations } from "./pad-reservations.ts";
import type { PoolDirectory } from "./pool-directory.ts";
import type { PoolId } from "./pool-records.ts";
import { TIME_LEFT_MS } from "./relay-carrier.ts";
import {
  decodeRelayHeader,
  decodeRelayPlan,
  encodeRelayHeader,
  payloadBytesOf,
  RELAY_BYTES_MAX,
  splitPayload,
  type RelayFrameHeader,
  type RelayPlan,
} from "./relay-frame.ts";
import type { RelayMetrics } from "./relay-metrics.ts";
import { relayProof } from "./relay-proof.ts";
import { ShareAssembly } from "./share-assembly.ts";
import type { SplitKey } from "./split-key.ts";
import { admitsShares, type SplitPolicy } from "./split-policy.ts";

const RELAYS_AT_ONCE_MAX = 128;
/** How long an origin may make this node keep its key. */
const KEY_LIFE_MAX_MS = 400 * 24 * HOUR_MS;

export interface RelayHopParts {
  readonly self: NodeId;
  readonly incarnation: Incarnation;
  readonly links: ReadonlyMap<NodeId, QkdLink>;
  readonly pools: PoolDirectory;
  readonly reservations: PadReservations;
  readonly clock: Clock;
  readonly log: Logger;
  readonly audit: AuditTrail;
  readonly metrics: RelayMetrics;
  /** What a pool may hold as target: a neighbour cannot fill our disk. */
  readonly inboundPoolBytesMax: number;
  /** Undefined where one route is enough. */
  readonly splitOf: (pool: PoolId) => SplitPolicy | undefined;
  /** While this says so, no relay goes through this node, or ends here. */
  readonly draining: () => boolean;
}

/** A relay on its way through, or to, this node. */
interface Passage {
  readonly relay: RelayId;
  readonly from: QkdLink;
  readonly plan: RelayPlan;
  readonly planBytes: Uint8Array;
  readonly totalBytes: number;
  readonly onward:
    { readonly kind: "transit"; readonly to: QkdLink } | { readonly kind: "here"; readonly payload: KeyMaterial };
  readonly cancelDeadline: () => void;
  readonly startedAt: MonotonicMs;
  receivedBytes: number;
}

export class RelayHop {
  readonly #parts: RelayHopParts;
  readonly #passages = new Map<RelayId, Passage>();
  readonly #shares: ShareAssembly;

  constructor(parts: RelayHopParts) {
    this.#parts = parts;
    this.#shares = new ShareAssembly(parts.clock);
  }

  frame(link: QkdLink, frame: Frame): void {
    try {
      const opened = link.openFrame(frame);
      if (typeof opened === "string") return this.#notOpened(link, frame, opened);
      try {
        this.#take(link, decodeRelayHeader(opened.header), opened);
      } finally {
        opened.release();
      }
    } catch (failure) {
      if (!isQkdError(failure, "REQUEST_INVALID", "CONFIG_INVALID")) throw failure;
      this.#parts.log.warn("malformed frame", { link: link.id, reason: failure.message });
    }
  }

  /** @returns false when the answer belongs to no relay that went this way */
  answer(link: QkdLink, answer: RelayAnswer): boolean {
    const passage = this.#passages.get(answer.relay);
    if (passage?.onward.kind !== "transit" || passage.onward.to !== link) return false;
    this.#end(passage, answer.outcome.kind === "refused" ? answer.outcome.reason : answer.outcome.kind);
    passage.from.send(answer);
    return true;
  }

  down(link: QkdLink): void {
    for (const passage of [...this.#passages.values()]) {
      if (passage.from === link) this.#end(passage, "unreachable");
      else if (passage.onward.kind === "transit" && passage.onward.to === link) this.#refuse(passage, "unreachable");
    }
  }

  /** Relays on their way through, or to, this node. */
  get underWay(): number {
    return this.#passages.size;
  }

  close(): void {
    for (const passage of [...this.#passages.values()]) this.#end(passage, "deadline");
    this.#shares.close();
  }

  #take(link: QkdLink, header: RelayFrameHeader, opened: OpenedFrame): void {
    const passage = header.payloadOffset === 0 ? this.#begin(link, header) : this.#passages.get(header.relay);
    if (passage === undefined || passage.from !== link) return; // refused before, or given up
    const inOrder = header.payloadOffset === passage.receivedBytes && header.totalBytes === passage.totalBytes;
    if (!inOrder || passage.receivedBytes + opened.ciphertext.length > passage.totalBytes) {
      return this.#refuse(passage, "not-admitted");
    }
    const offset = passage.receivedBytes;
    passage.receivedBytes += opened.ciphertext.length;
    const { onward } = passage;
    if (onward.kind === "transit") this.#passOn(passage, onward.to, header, opened);
    else {
      onward.payload.expose((key) => {
        for (let i = 0; i < opened.pad.length; i++) key[offset + i] = opened.ciphertext[i]! ^ opened.pad[i]!;
      });
      if (passage.receivedBytes === passage.totalBytes) this.#arrived(passage, onward.payload);
    }
  }

  #begin(link: QkdLink, header: RelayFrameHeader): Passage | undefined {
    const { self, clock } = this.#parts;
    const plan = decodeRelayPlan(header.plan);
    const place = plan.route.indexOf(self);
    const before = place === 0 ? plan.origin : plan.route[place - 1];
    const admitted =
      place >= 0 &&
      before === link.neighbour &&
      header.totalBytes === payloadBytesOf(plan) &&
      header.totalBytes <= RELAY_BYTES_MAX &&
      !this.#passages.has(header.relay);
    const next = plan.route[place + 1];
    const refused = !admitted
      ? "not-admitted"
      : this.#parts.draining()
        ? "draining"
        : this.#passages.size >= RELAYS_AT_ONCE_MAX
          ? "busy"
          : next === undefined
            ? this.#refusalHere(link, plan)
            : this.#refusalOnward(header.relay, next, header.totalBytes);
    if (refused !== undefined) {
      this.#answerRefused(link, header.relay, refused);
      return undefined;
    }
    const onward =
      next === undefined
        ? ({ kind: "here", payload: KeyMaterial.allocate(header.totalBytes) } as const)
        : ({ kind: "transit", to: this.#parts.links.get(next)! } as const);
    const passage: Passage = {
      relay: header.relay,
      from: link,
      plan,
      planBytes: header.plan.slice(),
      totalBytes: header.totalBytes,
      onward,
      cancelDeadline: clock.after(Math.min(header.timeLeftMs, TIME_LEFT_MS), () => this.#refuse(passage, "deadline")),
      startedAt: clock.monotonic(),
      receivedBytes: 0,
    };
    this.#passages.set(header.relay, passage);
    return passage;
  }

  /** Claims the pad towards the next hop, or says why not. */
  #refusalOnward(relay: RelayId, next: NodeId, totalBytes: number): RelayRefusal | undefined {
    const link = this.#parts.links.get(next);
    if (link === undefined) return "not-admitted";
    if (!link.up) return "unreachable";
    return this.#parts.reservations.claim(relay, link, totalBytes) ? undefined : "no-pad";
  }

  #refusalHere(from: QkdLink, plan: RelayPlan): RelayRefusal | undefined {
    const pool = this.#parts.pools.inboundPool(plan.origin, plan.keyClass);
    if (pool === undefined || plan.segments.some(({ name }) => pool.has(name))) return "not-admitted";
    if (!admitsShares(this.#parts.splitOf(pool.id), plan.share?.shares ?? 1)) return "not-admitted";
    const epochs = new Set(plan.segments.map(({ name }) => segmentEpoch(name)));
    const lifeMax = this.#parts.clock.wall() + KEY_LIFE_MAX_MS;
    if (plan.carriesIdSecret && !pool.takesSecretOf(segmentEpoch(plan.segments[0]!.name))) return "not-admitted";
    const named = plan.carriesIdSecret || [...epochs].every((epoch) => pool.epochs().includes(epoch));
    if (!named) return "not-admitted"; // no key id of theirs could be read here: our holdings tell the origin
    if (epochs.size > 1 || plan.segments.some(({ expiresAt }) => expiresAt > lifeMax)) return "not-admitted";
    if (pool.isFull(this.#parts.inboundPoolBytesMax)) return "busy";
    return plan.share === undefined ? undefined : this.#shares.refusal(from, plan);
  }

  #passOn(passage: Passage, to: QkdLink, header: RelayFrameHeader, opened: OpenedFrame): void {
    const { ciphertext, pad } = opened;
    for (let done = 0; done < ciphertext.length;) {
      const from = done;
      const payloadOffset = header.payloadOffset + from;
      const headerBytes = (): Uint8Array =>
        encodeRelayHeader({ ...header, payloadOffset, plan: payloadOffset === 0 ? header.plan : new Uint8Array(0) });
      const frame = to.seal(ciphertext.length - from, headerBytes, (out, outPad) => {
        // incoming pad XOR outgoing pad first: the relayed key itself is never formed here
        for (let i = 0; i < outPad.length; i++) out[i] = ciphertext[from + i]! ^ (pad[from + i]! ^ outPad[i]!);
      });
      if (frame === undefined) return this.#refuse(passage, "no-pad");
      if (!to.send({ kind: "frame", bytes: frame.bytes })) return this.#refuse(passage, "busy");
      this.#parts.metrics.frames.add({ role: "transit" });
      done += frame.payloadBytes;
      this.#parts.reservations.spent(passage.relay, frame.payloadBytes);
    }
  }

  #arrived(passage: Passage, payload: KeyMaterial): void {
    const { plan, planBytes, from } = passage;
    passage.cancelDeadline();
    if (plan.share === undefined) {
      return this.#storeAndProve(passage, { plan, routes: [plan.route], provenPlan: planBytes, payload });
    }
    const share = { plan, planBytes, payload: payload.slice(0, payload.lengthBytes) };
    const key = this.#shares.take(from, share);
    if (key === "refused") return this.#refuse(passage, "not-admitted");
    if (key !== "held") return this.#storeAndProve(passage, key);
    this.#end(passage, "share-held");
    from.send({ kind: "relay-answer", relay: passage.relay, outcome: { kind: "share-held" } });
  }

  #storeAndProve(passage: Passage, key: SplitKey): void {
    const { log } = this.#parts;
    void this.#store(passage, key)
      .catch((failure: unknown) => {
        if (!isQkdError(failure)) throw failure;
        log.warn("an arrived relay was not stored", { reason: failure.message });
        return "not-stored" as const;
      })
      .then((result) => {
        key.payload.erase();
        this.#end(passage, result);
      });
  }

  /** The destination is durable before it proves. */
  async #store(
    { from, relay }: Passage,
    { plan, routes, provenPlan, payload }: SplitKey,
  ): Promise<"established" | "repeated" | "overtaken"> {
    const { pools, clock, incarnation } = this.#parts;
    const pool = pools.inboundPool(plan.origin, plan.keyClass)!;
    const proof = payload.expose((bytes) => relayProof(provenPlan, bytes));
    const provenance = { origin: plan.origin, routes, establishedAt: clock.wall() };
    if (plan.segments.some(({ name }) => pool.has(name))) return "repeated"; // a second relay under names that the first brought
    if (plan.carriesIdSecret && !pool.takesSecretOf(segmentEpoch(plan.segments[0]!.name))) return "overtaken"; // others were faster
    await payload.expose((bytes) => pool.add({ ...splitPayload(plan, bytes), provenance }));
    if (plan.live !== undefined) {
      pool.told([...plan.live, ...plan.segments.map(({ name }) => ({ first: name, count: 1 }))]);
    }
    from.send({ kind: "relay-answer", relay, outcome: { kind: "established", proof, incarnation } });
    return "established";
  }

  /** A frame that could not be opened: its header is not proven, so it is good for a refusal only. */
  #notOpened(link: QkdLink, frame: Frame, why: string): void {
    const { relay } = decodeRelayHeader(readFrame(frame.bytes).header);
    this.#parts.log.warn("frame refused", { link: link.id, why });
    const passage = this.#passages.get(relay);
    if (passage?.from === link) this.#refuse(passage, "tag-wrong");
    else this.#answerRefused(link, relay, "tag-wrong");
  }

  #refuse(passage: Passage, reason: RelayRefusal): void {
    this.#end(passage, reason);
    this.#answerRefused(passage.from, passage.relay, reason);
  }

  #answerRefused(link: QkdLink, relay: RelayId, reason: RelayRefusal): void {
    link.send({ kind: "relay-answer", relay, outcome: { kind: "refused", reason, atHop: this.#parts.self } });
  }

  #end(passage: Passage, result: string): void {
    if (!this.#passages.delete(passage.relay)) return;
    passage.cancelDeadline();
    const role = passage.onward.kind === "transit" ? "transit" : "destination";
    if (passage.onward.kind === "here") passage.onward.payload.erase();
    else this.#parts.reservations.release(passage.relay);
    const { relay, totalBytes: bytes, plan } = passage;
    const names = { relay, origin: plan.origin, target: plan.route.at(-1)! };
    this.#parts.audit.record({ event: "relay-passed", role, ...names, bytes, result });
    const durationMs = this.#parts.clock.monotonic() - passage.startedAt;
    this.#parts.metrics.ended({ role, result, hops: passage.plan.route.length, durationMs });
  }
}
