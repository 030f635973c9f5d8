/** One QKD link as this node sees it: a module on our side, a neighbour, and the key shared with it. */
import type {
  DriverHost,
  QkdDriver,
  QkdModuleFaults,
  QkdModuleIdentity,
  QkdModuleStatus,
} from "../driver/qkd-driver.ts";
import { linkEnds, linkIdBetween, type Incarnation, type LinkId, type NodeId } from "../model/ids.ts";
import { BITS_PER_BYTE, SECOND_MS } from "../model/units.ts";
import type {
  Advert,
  Control,
  DirectoryFingerprints,
  Frame,
  Hello,
  PeerMessage,
  RelayAnswer,
  RelayReservation,
  RelayReservationAnswer,
} from "../peer/peer-messages.ts";
import type { PeerSession, PeerTransport } from "../peer/peer-transport.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Random } from "../runtime/random.ts";
import type { Scope } from "../runtime/scope.ts";
import type { KeyVault } from "../store/key-vault.ts";
import type { Balances } from "../store/ledger.ts";
import { compareDirectories } from "./directory-check.ts";
import { InboundPads, type FrameRefusal, type OpenedFrame } from "./inbound-pads.ts";
import { KeyAgreement } from "./key-agreement.ts";
import type { LinkGuards, LinkLimits, LinkParts } from "./link-parts.ts";
import type { LinkMetrics } from "./link-metrics.ts";
import { LinkSession } from "./link-session.ts";
import { LinkStock } from "./link-stock.ts";
import type { LinkEnd } from "./manifest.ts";
import { judgeMark, type MarkJudgement } from "./mark.ts";
import { createModuleIntake } from "./module-intake.ts";
import { OutboundPads } from "./outbound-pads.ts";
import { PadDemand } from "./pad-demand.ts";
import { RateMeter } from "./rate-meter.ts";
import { helloOf, reconcile } from "./reconciliation.ts";
import { ServiceGuard } from "./service-guard.ts";
import { TroubleLog } from "./trouble-log.ts";

export interface QkdLinkParts {
  readonly self: NodeId;
  readonly neighbour: NodeId;
  readonly incarnation: Incarnation;
  readonly directory: DirectoryFingerprints;
  readonly vault: KeyVault;
  readonly transport: PeerTransport;
  readonly driver: QkdDriver;
  readonly driverConfig: unknown;
  readonly host: DriverHost;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: LinkMetrics;
  /** While this says so, what the module gives is not taken. */
  readonly intakePaused: () => boolean;
  /** The neighbour proved that our disk went back in time. Awaited before the session goes on. */
  readonly onRollback: (link: LinkId, judgement: MarkJudgement & { kind: "rolled-back" }) => Promise<void>;
}

/** What the relay gets from a link. */
export interface LinkListener {
  frame(link: QkdLink, frame: Frame): void;
  relayAnswer(link: QkdLink, answer: RelayAnswer): void;
  relayReservation(link: QkdLink, request: RelayReservation): void;
  relayReservationAnswer(link: QkdLink, answer: RelayReservationAnswer): void;
  control(link: QkdLink, control: Control): void;
  advert(link: QkdLink, advert: Advert): void;
  /** There is a session again. */
  up(link: QkdLink): void;
  /** More pad may be spent towards the neighbour than before. */
  padsAvailable(link: QkdLink): void;
  down(link: QkdLink): void;
}

export interface LinkReport {
  readonly link: LinkId;
  readonly neighbour: NodeId;
  readonly sessionUp: boolean;
  readonly skewMs: number;
  readonly module:
    | { readonly identity: QkdModuleIdentity; readonly status: QkdModuleStatus; readonly faults: QkdModuleFaults }
    | undefined;
  readonly quarantineBytes: number;
  readonly outboundBytes: number;
  readonly inboundBytes: number;
  readonly openOutboundBytes: number;
  readonly openInboundBytes: number;
  /** Pad that relays spend, in both directions. */
  readonly demandBytesPerSecond: number;
  /** Key that the link itself spends: tags, proofs, what could not be agreed upon. */
  readonly ownNeedBytesPerSecond: number;
  readonly balances: Balances;
  /** The module waits until some of it is spent. */
  readonly stockIsFull: boolean;
  readonly troubles: readonly string[];
  /** Parts of the link that failed too often, and why. Each is tried again by itself after a while. */
  readonly outOfService: readonly OutOfServiceReport[];
}

export interface OutOfServiceReport {
  readonly part: keyof LinkGuards;
  readonly reason: string;
  /** When it is tried again. */
  readonly remainingMs: number;
}

export interface QkdLink {
  readonly id: LinkId;
  readonly neighbour: NodeId;
  /** False without a session, or when its line is full: the message was not sent. */
  send(message: PeerMessage): boolean;
  readonly up: boolean;
  /** Payload that could be sent at once. */
  padBytesAvailable(): number;
  /** Pad of our direction, in stock and open, and how fast more of it comes. */
  ownPad(): { readonly bytes: number; readonly bytesPerSecond: number };
  /** So much pad should be open, all in all: there was too little for somebody. */
  wantPad(bytes: number): void;
  /** See `OutboundPads.seal`. */
  seal: OutboundPads["seal"];
  openFrame(frame: Frame): OpenedFrame | FrameRefusal;
  /** Takes a session that the neighbour opened. */
  adopt(session: PeerSession): void;
  /** Burns all that is shared and not open: after a rollback. */
  burnStock(): Promise<void>;
  /** The operator says that what was wrong is mended. @returns the parts that were out of service, and are back */
  release(): readonly (keyof LinkGuards)[];
  /** Erases all key in memory, at once. */
  eraseMemory(): void;
  report(): LinkReport;
}

/** Opens the link: its stock is recovered when this returns; module and neighbour are looked for from then on. */
export async function openQkdLink(
  parts: QkdLinkParts,
  limits: LinkLimits,
  listener: LinkListener,
  scope: Scope,
): Promise<QkdLink> {
  const id = linkIdBetween(parts.self, parts.neighbour);
  const stock = new LinkStock(id, parts.vault);
  await stock.recover(linkEnds(id)[0] === parts.self); // see there why a leader forgets its quarantine
  return new OpenQkdLink(parts, limits, listener, stock, scope);
}

class OpenQkdLink implements QkdLink {
  readonly id: LinkId;
  readonly neighbour: NodeId;
  readonly seal: OutboundPads["seal"];
  readonly #parts: QkdLinkParts;
  readonly #listener: LinkListener;
  readonly #link: LinkParts;
  readonly #session: LinkSession;
  readonly #agreement: KeyAgreement;
  readonly #outbound: OutboundPads;
  readonly #inbound: InboundPads;
  readonly #demand: PadDemand;
  readonly #ownNeed: RateMeter;
  readonly #module: ReturnType<typeof createModuleIntake>;

  constructor(parts: QkdLinkParts, limits: LinkLimits, listener: LinkListener, stock: LinkStock, scope: Scope) {
    const { self, neighbour, clock, metrics } = parts;
    this.id = stock.link;
    this.neighbour = neighbour;
    this.#parts = parts;
    this.#listener = listener;
    const log = parts.log.child({ link: this.id });
    const selfEnd: LinkEnd = linkEnds(this.id)[0] === self ? "leader" : "follower";
    const troubles = new TroubleLog(clock);
    const skewMs = (): number => this.#session.skewMs;
    const send = (message: PeerMessage): boolean => this.#session.send(message);
    const guards = {
      module: new ServiceGuard(clock),
      agreement: new ServiceGuard(clock),
      tags: new ServiceGuard(clock),
    };
    const shared = { self, neighbour, selfEnd, stock, clock, log, metrics, troubles, guards, limits, skewMs, send };
    this.#link = { link: this.id, ...shared };
    this.#outbound = new OutboundPads(this.#link, () => listener.padsAvailable(this));
    this.#inbound = new InboundPads(this.#link);
    metrics.tagFailures.add({ link: this.id }, 0); // a counter that is there can be watched
    this.#demand = new PadDemand(clock, () => this.#outbound.spentBytes);
    this.#ownNeed = new RateMeter(clock, () => ownNeedBytes(stock.vault.ledger.balances(stock.ledger)));
    const onStock = (): void => this.#outbound.stockChanged();
    this.#agreement = new KeyAgreement(this.#link, () => this.#demand.ownShare(), onStock);
    this.#session = new LinkSession(this.#link, this.#rooms(), parts.random);
    const onStored: Parameters<typeof createModuleIntake>[0]["onStored"] = (chunks) =>
      this.#agreement.keysStored(chunks);
    this.#module = createModuleIntake({ ...parts, link: this.#link, onStored });
    this.seal = (payloadMax, headerFor, fill) => this.#outbound.seal(payloadMax, headerFor, fill);
    this.#spawnAll(scope);
  }

  get up(): boolean {
    return this.#session.up;
  }

  send(message: PeerMessage): boolean {
    return this.#session.send(message);
  }

  padBytesAvailable(): number {
    return this.#outbound.availableBytes();
  }

  ownPad(): { readonly bytes: number; readonly bytesPerSecond: number } {
    const { stock, selfEnd } = this.#link;
    const status = this.#module.module()?.status();
    const bitsPerSecond = status?.state === "generating" ? (status.secretKeyRateBps ?? 0) : 0;
    return {
      bytes: stock.heldBytes(selfEnd) + this.#outbound.openBytes,
      bytesPerSecond: Math.floor((bitsPerSecond / BITS_PER_BYTE) * this.#demand.ownShare()),
    };
  }

  wantPad(bytes: number): void {
    this.#outbound.want(bytes);
  }

  openFrame(frame: Frame): OpenedFrame | FrameRefusal {
    return this.#inbound.openFrame(frame.bytes);
  }

  adopt(session: PeerSession): void {
    this.#session.adopt(session);
  }

  async burnStock(): Promise<void> {
    const { stock } = this.#link;
    const transaction = stock.vault.transaction();
    for (const [name] of stock.segments()) stock.destroySegment(transaction, name, "burned");
    await stock.vault.commit(transaction);
  }

  release(): readonly (keyof LinkGuards)[] {
    const { guards, log } = this.#link;
    const released = guardsOf(guards).filter(([, guard]) => guard.release());
    const parts = released.map(([part]) => part);
    if (parts.length > 0) log.warn("released by the operator", { parts });
    return parts;
  }

  eraseMemory(): void {
    this.#outbound.close();
    this.#inbound.close();
    this.#link.stock.close();
  }

  report(): LinkReport {
    const { stock, selfEnd, troubles, limits } = this.#link;
    const outOfService = outOfServiceOf(this.#link);
    const module = this.#module.module();
    return {
      link: this.id,
      neighbour: this.neighbour,
      sessionUp: this.#session.up,
      skewMs: this.#session.skewMs,
      module:
        module === undefined
          ? undefined
          : { identity: module.identity, status: module.status(), faults: module.faults() },
      quarantineBytes: stock.quarantine.bytes,
      outboundBytes: stock.heldBytes(selfEnd),
      inboundBytes: stock.heldBytes(selfEnd === "leader" ? "follower" : "leader"),
      openOutboundBytes: this.#outbound.openBytes,
      openInboundBytes: this.#inbound.openBytes,
      demandBytesPerSecond: this.#demand.bytesPerSecond(),
      ownNeedBytesPerSecond: this.#ownNeed.perSecond(),
      balances: stock.vault.ledger.balances(stock.ledger),
      stockIsFull: stock.isFull(limits.stockBytesMax),
      troubles: [...outOfService.map(outOfServiceSentence), ...troubles.sentences()],
      outOfService,
    };
  }

  #spawnAll(scope: Scope): void {
    scope.defer("keys in memory", () => this.#link.stock.close());
    scope.spawn("agreement", (signal) => this.#agreement.run(signal));
    scope.spawn("outbound pads", (signal) => this.#outbound.run(signal));
    scope.spawn("inbound pads", (signal) => this.#inbound.run(signal));
    scope.spawn("session", (signal) => this.#session.run(this.#parts.transport, signal));
    const intake = scope.child("intake");
    intake.spawn("module", () => this.#module.run(intake));
  }

  #rooms(): ConstructorParameters<typeof LinkSession>[1] {
    return {
      hello: () => helloOf(this.#link, { ...this.#parts, open: this.#outbound.openNames }),
      settle: (hello) => this.#settle(hello),
      up: (hello, peerIsNew) => this.#up(hello, peerIsNew),
      message: (message) => this.#message(message),
      down: () => this.#down(),
      demandBytesPerSecond: () => this.#demand.ownBytesPerSecond(),
    };
  }

  async #settle(hello: Hello): Promise<void> {
    const judgement = judgeMark(this.#parts.vault, hello.returnedMark);
    if (judgement.kind === "rolled-back") await this.#parts.onRollback(this.id, judgement);
    if (judgement.kind === "not-ours") {
      this.#link.log.warn("the neighbour keeps a mark of an earlier store of ours");
    }
    await reconcile(this.#link, hello);
  }

  #up(hello: Hello, peerIsNew: boolean): void {
    compareDirectories(this.#link, this.#parts.directory, hello);
    this.#inbound.sessionUp(peerIsNew ? undefined : hello.open);
    this.#outbound.sessionUp(peerIsNew);
    this.#agreement.sessionUp();
    this.#listener.up(this);
  }

  #down(): void {
    this.#outbound.sessionDown();
    this.#agreement.sessionDown();
    this.#listener.down(this);
  }

  #message(message: Exclude<PeerMessage, Hello>): boolean {
    switch (message.kind) {
      case "heartbeat":
        this.#demand.peerSays(message.demandBytesPerSecond);
        return true;
      case "inventory":
      case "proposal":
      case "agreement":
      case "disagreement":
        return this.#agreement.receive(message);
      case "segment-opening":
        return this.#inbound.receive(message);
      case "segment-witnessed":
        this.#outbound.witnessed(message);
        return true;
      case "segment-closing":
        this.#outbound.closed(message);
        return this.#inbound.closing(message);
      case "frame":
        this.#listener.frame(this, message);
        return true;
      case "relay-answer":
        this.#listener.relayAnswer(this, message);
        return true;
      case "relay-reservation":
        this.#listener.relayReservation(this, message);
        return true;
      case "relay-reservation-answer":
        this.#listener.relayReservationAnswer(this, message);
        return true;
      case "control":
        this.#listener.control(this, message);
        return true;
      case "advert":
        this.#listener.advert(this, message);
        return true;
    }
  }
}

const ownNeedBytes = ({ tags, proofs, tails, discarded, burned, burnedOpen }: Balances): number =>
  tags + proofs + tails + discarded + burned + burnedOpen;

const guardsOf = (guards: LinkGuards): [keyof LinkGuards, ServiceGuard][] =>
  Object.entries(guards) as [keyof LinkGuards, ServiceGuard][];

function outOfServiceOf({ guards, clock }: LinkParts): readonly OutOfServiceReport[] {
  return guardsOf(guards).flatMap(([part, { out }]) => {
    if (out === undefined) return [];
    return [{ part, reason: out.reason, remainingMs: Math.max(0, out.until - clock.monotonic()) }];
  });
}

const outOfServiceSentence = ({ part, reason, remainingMs }: OutOfServiceReport): string =>
  `${part} out of service: ${reason}; tried again in ${Math.ceil(remainingMs / SECOND_MS)} s`;
