/**
 * The KM link to one neighbour: opened by the leader of the link, kept alive by heartbeats, opened again when it ends.
 *
 * Only the newest session counts, and nothing is believed before both hellos: so whatever arrives after them was sent by
 * this life of the neighbour, to this life of ours.
 */
import { QkdError } from "../model/errors.ts";
import type { Incarnation } from "../model/ids.ts";
import { MINUTE_MS } from "../model/units.ts";
import { KX_PROTOCOL_VERSION, type Hello, type PeerMessage } from "../peer/peer-messages.ts";
import type { PeerSession, PeerTransport } from "../peer/peer-transport.ts";
import { durationText } from "../runtime/clock-troubles.ts";
import type { MonotonicMs } from "../runtime/clock.ts";
import type { Random } from "../runtime/random.ts";
import type { LinkParts } from "./link-parts.ts";

const CONNECT_TIMEOUT_MS = 5_000;
const BACKOFF_MIN_MS = 200;
const BACKOFF_MAX_MS = 3_000;
const HEARTBEAT_MS = 1_000;
export const SILENCE_MAX_MS = 5_000;
/** Key expires a minute earlier at one end and later at the other: that much apart two clocks do no harm. */
const SKEW_TOLD_MS = MINUTE_MS;
/** What may wait while the hello is worked on. */
const HELD_BACK_MAX = 256;

export interface SessionRooms {
  hello(): Hello;
  /** Settles what the two ends remember; messages wait until it returns. */
  settle(hello: Hello): Promise<void>;
  /** Both hellos are settled, and the session is still there. */
  up(hello: Hello, peerIsNew: boolean): void;
  /** @returns false when the neighbour does what no well-behaved one does: the session ends */
  message(message: Exclude<PeerMessage, Hello>): boolean;
  down(reason: string): void;
  demandBytesPerSecond(): number;
}

export class LinkSession {
  readonly #parts: LinkParts;
  readonly #rooms: SessionRooms;
  readonly #random: Random;
  #session: PeerSession | undefined;
  /** The session whose hello was heard. */
  #helloOf: PeerSession | undefined;
  #greeted = false;
  #peerIncarnation: Incarnation | undefined;
  #heldBack: Exclude<PeerMessage, Hello>[] = [];
  #heardAt: MonotonicMs = 0;
  #beatAt: MonotonicMs = 0;
  #skewMs = 0;

  constructor(parts: LinkParts, rooms: SessionRooms, random: Random) {
    this.#parts = parts;
    this.#rooms = rooms;
    this.#random = random;
  }

  /** True between the hellos and the end of the session. */
  get up(): boolean {
    return this.#greeted;
  }

  /** How far the neighbour's wall clock is ahead of ours, as its hello said. */
  get skewMs(): number {
    return this.#skewMs;
  }

  send(message: PeerMessage): boolean {
    return this.#session !== undefined && this.#greeted && this.#session.send(message);
  }

  /** Takes a session that the neighbour opened, in place of an older one. */
  adopt(session: PeerSession): void {
    this.#session?.close("a newer session took its place");
    this.#ended(this.#session, "a newer session took its place");
    this.#session = session;
    this.#heardAt = this.#parts.clock.monotonic();
    session.listen({
      message: (message) => this.#message(session, message),
      ended: (reason) => this.#ended(session, reason),
    });
    if (!session.send(this.#rooms.hello())) session.close("the hello did not fit");
  }

  /** Opens sessions (at the leader) and watches over them, until `signal` aborts. */
  async run(transport: PeerTransport, signal: AbortSignal): Promise<void> {
    let backoffMs = BACKOFF_MIN_MS;
    while (!signal.aborted) {
      if (this.#session === undefined && this.#parts.selfEnd === "leader") {
        const opened = await this.#connect(transport, signal);
        backoffMs = opened ? BACKOFF_MIN_MS : Math.min(2 * backoffMs, BACKOFF_MAX_MS);
        if (!opened) await this.#sleep(backoffMs * (0.75 + this.#random.fraction() / 2), signal);
        continue;
      }
      this.#watch();
      await this.#sleep(this.#session === undefined ? BACKOFF_MIN_MS : HEARTBEAT_MS / 2, signal);
    }
    this.#session?.close("this node is closing");
  }

  async #connect(transport: PeerTransport, signal: AbortSignal): Promise<boolean> {
    const { neighbour, troubles, log, clock } = this.#parts;
    try {
      this.adopt(await transport.connect(neighbour, clock.timeout(CONNECT_TIMEOUT_MS, signal)));
      return true;
    } catch (failure) {
      if (!(failure instanceof QkdError)) throw failure;
      troubles.lasts("session", `no KM link to ${neighbour}: ${failure.message}`);
      log.debug("no session", { reason: failure.message });
      return false;
    }
  }

  #watch(): void {
    const now = this.#parts.clock.monotonic();
    if (this.#session === undefined) return;
    if (now - this.#heardAt > SILENCE_MAX_MS) {
      this.#session.close(`nothing heard for ${SILENCE_MAX_MS / 1000} s`);
    } else if (this.#greeted && now - this.#beatAt >= HEARTBEAT_MS) {
      this.#beatAt = now; // also on a busy line: it tells the demand
      this.send({ kind: "heartbeat", demandBytesPerSecond: this.#rooms.demandBytesPerSecond() });
    }
  }

  #message(session: PeerSession, message: PeerMessage): void {
    if (session !== this.#session) return; // of an older session: its sender may have died since
    this.#heardAt = this.#parts.clock.monotonic();
    if (message.kind === "hello") {
      if (this.#helloOf === session) return session.close("a second hello");
      this.#helloOf = session;
      void this.#hello(session, message);
    } else if (!this.#greeted) {
      if (this.#heldBack.push(message) > HELD_BACK_MAX) session.close("too much said before the hellos were settled");
    } else if (!this.#rooms.message(message)) session.close(`unexpected ${message.kind}`);
  }

  async #hello(session: PeerSession, hello: Hello): Promise<void> {
    const { neighbour, log, troubles } = this.#parts;
    if (hello.protocol !== KX_PROTOCOL_VERSION) {
      const versions = `${neighbour} speaks Kx ${hello.protocol}, this node ${KX_PROTOCOL_VERSION}`;
      troubles.lasts("session", versions);
      return session.close(versions);
    }
    if (hello.node !== neighbour)
      return session.close(`the hello is of ${hello.node}, the certificate of ${neighbour}`);
    this.#skewMs = hello.wallMs - this.#parts.clock.wall();
    if (Math.abs(this.#skewMs) <= SKEW_TOLD_MS) troubles.clear("clock");
    else {
      const skew = durationText(this.#skewMs);
      troubles.lasts("clock", `the wall clock of ${neighbour} is ${skew} ahead of ours: one of them is wrong`);
    }
    try {
      await this.#rooms.settle(hello);
    } catch (failure) {
      if (!(failure instanceof QkdError)) throw failure;
      return session.close(`the hello could not be settled: ${failure.message}`);
    }
    if (session !== this.#session) return; // it ended meanwhile: the next hello settles anew
    const peerIsNew = hello.incarnation !== this.#peerIncarnation;
    this.#peerIncarnation = hello.incarnation;
    this.#greeted = true;
    this.#rooms.up(hello, peerIsNew);
    troubles.clear("session");
    log.info("KM link up", { peerIncarnation: hello.incarnation, peerIsNew });
    for (const message of this.#heldBack.splice(0)) {
      if (!this.#rooms.message(message)) return session.close(`unexpected ${message.kind}`);
    }
  }

  #ended(session: PeerSession | undefined, reason: string): void {
    if (session === undefined || session !== this.#session) return;
    const wasUp = this.#greeted;
    this.#session = undefined;
    this.#greeted = false;
    this.#heldBack = [];
    this.#parts.troubles.lasts("session", `no KM link to ${this.#parts.neighbour}: ${reason}`);
    if (wasUp) this.#parts.log.warn("KM link down", { reason });
    this.#rooms.down(reason);
  }

  async #sleep(durationMs: number, signal: AbortSignal): Promise<void> {
    await this.#parts.clock.sleep(durationMs, signal).catch(() => undefined);
  }
}
