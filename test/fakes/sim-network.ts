/**
 * The network of a simulated world: sessions between lives of nodes, with delays, limits and faults on request.
 *
 * A node is who the world says it is: identities are the names under which lives were opened. All luck comes from the
 * ordered pair of nodes, so that a node more does not change what happens between the others.
 */
import { QkdError } from "../../src/model/errors.ts";
import type { NodeId } from "../../src/model/ids.ts";
import type { PeerMessage } from "../../src/peer/peer-messages.ts";
import type { PeerSession, PeerTransport } from "../../src/peer/peer-transport.ts";
import type { Scope } from "../../src/runtime/scope.ts";
import { copyOfMessage, messageSizeBytes, traceMessage } from "./message-copy.ts";
import type { NodeLife } from "./node-life.ts";
import type { SeededRandom } from "./seeded-random.ts";
import { SimSession, type SessionNetwork } from "./sim-session.ts";
import type { Trace } from "./trace.ts";
import type { VirtualWorldClock } from "./virtual-clock.ts";

export interface SimNetworkOptions {
  readonly clock: VirtualWorldClock;
  readonly random: SeededRandom;
  readonly trace: Trace;
  /** One way, drawn for each message from [min, max). */
  readonly latencyMs: readonly [min: number, max: number];
  /** Of each direction of each session; 125,000,000 unless told. */
  readonly bytesPerSecond?: number;
  /** When the far end hears that a node died, after [min, max); from the least latency to 5 s unless told. */
  readonly deathNoticeMs?: readonly [min: number, max: number];
  /** Sessions break by themselves after this long, on average. Never unless told. */
  readonly sessionLifeMeanMs?: number;
}

export interface CutOptions {
  /** Only what goes from the first to the second node is lost; still no session can be opened between them. */
  readonly oneWay?: boolean;
  /** Sessions are silent, and end at both ends after this long unless the line is healed before; 15 s unless told. */
  readonly endSessionsAfterMs?: number;
}

/** Sees each message that a node's session took, as it goes out. It must not change it. */
export type WireTap = (from: NodeId, to: NodeId, message: PeerMessage) => void;
/** What goes on instead of a message that was sent: nothing, another, or several. */
export type WireTamper = (
  from: NodeId,
  to: NodeId,
  message: PeerMessage,
) => PeerMessage | readonly PeerMessage[] | undefined;

export interface SimNetwork {
  /** The transport of one life; what is left of it when the life ends is noticed at the far ends. */
  transportFor(life: NodeLife): PeerTransport;
  cut(one: string, other: string, options?: CutOptions): void;
  heal(one: string, other: string): void;
  healAll(): void;
  /** Ends all sessions between two nodes; each end notices at its time, what was under way is lost. */
  breakSession(one: string, other: string): void;
  /** Nobody of these two gets into a session with the other any more: its certificate is not accepted. */
  distrust(one: string, other: string): void;
  tap(tap: WireTap): void;
  /** Undefined ends the tampering. */
  tamper(tamper: WireTamper | undefined): void;
  /** Sessions that at least one end still takes for alive. */
  readonly sessions: number;
  readonly messagesSent: number;
  readonly bytesSent: number;
}

const BYTES_PER_SECOND = 125_000_000;
const DEATH_NOTICE_MAX_MS = 5_000;
const END_SESSIONS_AFTER_MS = 15_000;
const REDIAL_MS = 1_000;

export function createSimNetwork(options: SimNetworkOptions): SimNetwork {
  return new Network(options);
}

interface Server {
  readonly life: NodeLife;
  readonly accept: (session: PeerSession) => void;
  readonly accepted: Set<SimSession>;
}

interface Attempt {
  readonly life: NodeLife;
  readonly remote: NodeId;
  readonly settled: () => boolean;
  readonly succeed: (session: PeerSession) => void;
  readonly fail: (failure: QkdError) => void;
  session: SimSession | undefined;
}

class Network implements SimNetwork, SessionNetwork {
  readonly bytesPerSecond: number;
  readonly #options: SimNetworkOptions;
  readonly #servers = new Map<string, Server>();
  /** Each with what takes back its own end by wear. */
  readonly #sessions = new Map<SimSession, () => void>();
  readonly #luck = new Map<string, SeededRandom>();
  /** Directions that are cut, each with the name of its cut. */
  readonly #cuts = new Map<string, symbol>();
  readonly #distrust = new Set<string>();
  readonly #taps: WireTap[] = [];
  #tamper: WireTamper | undefined;
  #messagesSent = 0;
  #bytesSent = 0;

  constructor(options: SimNetworkOptions) {
    this.#options = options;
    this.bytesPerSecond = options.bytesPerSecond ?? BYTES_PER_SECOND;
  }

  get sessions(): number {
    return this.#sessions.size;
  }

  get messagesSent(): number {
    return this.#messagesSent;
  }

  get bytesSent(): number {
    return this.#bytesSent;
  }

  transportFor(life: NodeLife): PeerTransport {
    life.onKill(() => this.#died(life));
    return {
      serve: async (accept, scope) => this.#serve(life, accept, scope),
      connect: (remote, deadline) => this.#connect(life, remote, deadline),
    };
  }

  cut(one: string, other: string, options: CutOptions = {}): void {
    const cut = Symbol("cut");
    this.#cuts.set(direction(one, other), cut);
    if (options.oneWay !== true) this.#cuts.set(direction(other, one), cut);
    this.#options.trace.line(`cut ${direction(one, other)}${options.oneWay === true ? " one way" : ""}`);
    const silent = this.#between(one, other);
    const endThem = (): void => {
      if (this.#cuts.get(direction(one, other)) !== cut) return;
      for (const session of silent) if (!session.over) session.broke("silence");
    };
    const afterMs = options.endSessionsAfterMs ?? END_SESSIONS_AFTER_MS;
    if (afterMs === 0) endThem();
    else if (afterMs !== Infinity) this.after(afterMs, endThem);
  }

  heal(one: string, other: string): void {
    this.#cuts.delete(direction(one, other));
    this.#cuts.delete(direction(other, one));
    this.#options.trace.line(`heal ${direction(one, other)}`);
    for (const session of this.#between(one, other)) session.resume();
  }

  healAll(): void {
    this.#cuts.clear();
    this.#options.trace.line("heal all");
    for (const session of this.#sessions.keys()) session.resume();
  }

  breakSession(one: string, other: string): void {
    this.#options.trace.line(`break ${direction(one, other)}`);
    for (const session of this.#between(one, other)) session.broke("the session broke");
  }

  distrust(one: string, other: string): void {
    this.#distrust.add(direction(one, other)).add(direction(other, one));
  }

  tap(tap: WireTap): void {
    this.#taps.push(tap);
  }

  tamper(tamper: WireTamper | undefined): void {
    this.#tamper = tamper;
  }

  after(delayMs: number, then: () => void): () => void {
    return this.#options.clock.after(delayMs, then);
  }

  now(): number {
    return this.#options.clock.now();
  }

  luck(from: NodeId, to: NodeId): SeededRandom {
    const name = direction(from, to);
    let luck = this.#luck.get(name);
    if (luck === undefined) this.#luck.set(name, (luck = this.#options.random.fork(name)));
    return luck;
  }

  latencyMs(from: NodeId, to: NodeId): number {
    return this.luck(from, to).between(...this.#options.latencyMs);
  }

  isCut(from: NodeId, to: NodeId): boolean {
    return this.#cuts.has(direction(from, to));
  }

  onWire(from: NodeId, to: NodeId, message: PeerMessage): readonly PeerMessage[] {
    const { trace } = this.#options;
    const sizeBytes = messageSizeBytes(message);
    this.#messagesSent += 1;
    this.#bytesSent += sizeBytes;
    trace.line(`${direction(from, to)} sent ${message.kind} ${sizeBytes} B`);
    traceMessage(trace, message);
    const copy = copyOfMessage(message);
    for (const tap of this.#taps) tap(from, to, copy);
    if (this.#tamper === undefined) return [copy];
    const changed = this.#tamper(from, to, copy);
    if (changed === undefined) return [];
    return isList(changed) ? changed : [changed];
  }

  arrived(from: NodeId, to: NodeId, message: PeerMessage): void {
    this.#options.trace.line(`${direction(from, to)} arrived ${message.kind}`);
  }

  ended(session: SimSession): void {
    this.#sessions.get(session)?.();
    this.#sessions.delete(session);
    this.#servers.get(session.acceptor.node)?.accepted.delete(session);
    this.#options.trace.line(`${direction(session.dialler.node, session.acceptor.node)} session over`);
  }

  #serve(life: NodeLife, accept: (session: PeerSession) => void, scope: Scope): void {
    if (!life.alive) return;
    if (this.#servers.has(life.node)) {
      throw new QkdError("PORT_IN_USE", `${life.node} serves already`, { node: life.node });
    }
    const server: Server = { life, accept, accepted: new Set() };
    this.#servers.set(life.node, server);
    scope.defer("stop serving peers", () => {
      if (this.#servers.get(life.node) === server) this.#servers.delete(life.node);
      for (const session of [...server.accepted]) session.acceptor.close("the node is closing");
    });
  }

  #connect(life: NodeLife, remote: NodeId, deadline: AbortSignal): Promise<PeerSession> {
    if (!life.alive) return new Promise(() => undefined);
    const { promise, resolve, reject } = Promise.withResolvers<PeerSession>();
    let settled = false;
    const attempt: Attempt = {
      life,
      remote,
      settled: () => settled || !life.alive,
      succeed: (session) => {
        settled = true;
        deadline.removeEventListener("abort", giveUp);
        resolve(session);
      },
      fail: (failure) => {
        if (settled || !life.alive) return;
        settled = true;
        deadline.removeEventListener("abort", giveUp);
        reject(failure);
      },
      session: undefined,
    };
    const giveUp = (): void => {
      attempt.fail(unreachable(remote, "no answer within the deadline"));
      attempt.session?.dialler.close("the deadline was over");
    };
    if (deadline.aborted) giveUp();
    else {
      deadline.addEventListener("abort", giveUp, { once: true });
      this.#dial(attempt);
    }
    return promise;
  }

  /** Greetings go to and fro once before the far end takes the session; a cut line is tried again and again. */
  #dial(attempt: Attempt): void {
    const here = attempt.life.node as NodeId;
    const { remote } = attempt;
    const greetingMs = this.latencyMs(here, remote) + this.latencyMs(remote, here) + this.latencyMs(here, remote);
    this.after(greetingMs, () => {
      if (attempt.settled()) return;
      if (this.isCut(here, remote) || this.isCut(remote, here)) {
        this.after(REDIAL_MS, () => {
          if (!attempt.settled()) this.#dial(attempt);
        });
        return;
      }
      const refusal = this.#refusal(here, remote);
      if (refusal === undefined) this.#open(attempt, this.#servers.get(remote)!);
      else this.after(this.latencyMs(remote, here), () => attempt.fail(refusal));
    });
  }

  #refusal(here: NodeId, remote: NodeId): QkdError | undefined {
    if (!this.#servers.has(remote)) return unreachable(remote, "nobody listens there");
    if (!this.#distrust.has(direction(here, remote))) return undefined;
    return new QkdError("PEER_REFUSED", `the certificate of ${remote} is not accepted, or ours is not`, { remote });
  }

  #open(attempt: Attempt, server: Server): void {
    const session = new SimSession(this, attempt.life, server.life);
    attempt.session = session;
    this.#sessions.set(session, this.#wear(session));
    server.accepted.add(session);
    this.#options.trace.line(`${direction(session.dialler.node, session.acceptor.node)} session`);
    session.dialler.onEarlyEnd = (reason) => attempt.fail(unreachable(attempt.remote, reason));
    session.acceptor.outbound.mark(() => {
      session.dialler.onEarlyEnd = undefined;
      if (!attempt.settled()) attempt.succeed(session.dialler);
    });
    server.accept(session.acceptor);
  }

  /** Sets when the session breaks by itself; what is returned takes that back. */
  #wear(session: SimSession): () => void {
    const meanMs = this.#options.sessionLifeMeanMs;
    if (meanMs === undefined) return () => undefined;
    const luck = this.luck(session.dialler.node, session.acceptor.node);
    return this.after(-meanMs * Math.log(1 - luck.fraction()), () => {
      if (!session.over) session.broke("the session broke");
    });
  }

  #died(life: NodeLife): void {
    this.#options.trace.line(`${life.node} died`);
    if (this.#servers.get(life.node)?.life === life) this.#servers.delete(life.node);
    const noticeMs = this.#options.deathNoticeMs ?? [this.#options.latencyMs[0], DEATH_NOTICE_MAX_MS];
    for (const session of [...this.#sessions.keys()]) {
      for (const end of [session.dialler, session.acceptor]) {
        if (end.life !== life || end.over) continue;
        session.diedAt(life, this.luck(end.node, end.remote).between(...noticeMs));
      }
    }
  }

  #between(one: string, other: string): SimSession[] {
    return [...this.#sessions.keys()].filter(({ dialler, acceptor }) => {
      const [here, there] = [dialler.node as string, acceptor.node as string];
      return (here === one && there === other) || (here === other && there === one);
    });
  }
}

function direction(from: string, to: string): string {
  return `${from}>${to}`;
}

function unreachable(remote: NodeId, reason: string): QkdError {
  return new QkdError("PEER_UNREACHABLE", `no session with ${remote}: ${reason}`, { remote, reason });
}

function isList(changed: PeerMessage | readonly PeerMessage[]): changed is readonly PeerMessage[] {
  return Array.isArray(changed);
}
