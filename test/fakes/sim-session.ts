/** One simulated session between two lives: two lanes, each in order, each message once, until the session ends. */
import { assert } from "../../src/model/assert.ts";
import type { NodeId } from "../../src/model/ids.ts";
import type { PeerMessage } from "../../src/peer/peer-messages.ts";
import { SESSION_QUEUE_BYTES_MAX, type PeerSession, type PeerSessionListener } from "../../src/peer/peer-transport.ts";
import { messageSizeBytes } from "./message-copy.ts";
import type { NodeLife } from "./node-life.ts";
import type { SeededRandom } from "./seeded-random.ts";

/** As on the real wire: a larger one ends the session. */
const MESSAGE_BYTES_MAX = SESSION_QUEUE_BYTES_MAX;

/** What a session uses of the network that carries it. */
export interface SessionNetwork {
  after(delayMs: number, then: () => void): () => void;
  now(): number;
  /** The luck of one direction between two nodes. */
  luck(from: NodeId, to: NodeId): SeededRandom;
  latencyMs(from: NodeId, to: NodeId): number;
  readonly bytesPerSecond: number;
  isCut(from: NodeId, to: NodeId): boolean;
  /** What goes out for a message: a copy, seen by the taps and changed by whoever tampers. */
  onWire(from: NodeId, to: NodeId, message: PeerMessage): readonly PeerMessage[];
  arrived(from: NodeId, to: NodeId, message: PeerMessage): void;
  /** Both ends know that the session is over. */
  ended(session: SimSession): void;
}

export class SimSession {
  readonly dialler: SessionEnd;
  readonly acceptor: SessionEnd;
  readonly #network: SessionNetwork;

  constructor(network: SessionNetwork, diallerLife: NodeLife, acceptorLife: NodeLife) {
    this.#network = network;
    const toAcceptor = new Lane(network, idOf(diallerLife), idOf(acceptorLife));
    const toDialler = new Lane(network, idOf(acceptorLife), idOf(diallerLife));
    this.dialler = new SessionEnd(this, diallerLife, toAcceptor, toDialler);
    this.acceptor = new SessionEnd(this, acceptorLife, toDialler, toAcceptor);
  }

  get over(): boolean {
    return this.dialler.over && this.acceptor.over;
  }

  /** Ends the session: at `end` now, at the other end when the news arrives there, if it can arrive. */
  closedBy(end: SessionEnd, reason: string): void {
    const other = end === this.dialler ? this.acceptor : this.dialler;
    end.end(`closed here: ${reason}`);
    end.outbound.finish(() => other.end(`closed by ${end.node}: ${reason}`));
  }

  /** The line broke: both ends notice, each at its time, and what was under way is lost. */
  broke(reason: string): void {
    for (const end of [this.dialler, this.acceptor]) {
      end.outbound.lose();
      this.#network.after(this.#network.latencyMs(end.remote, end.node), () => end.end(reason));
    }
  }

  /** A life ended: the far end hears of it after `noticeMs`; what the dead had sent may still arrive before. */
  diedAt(life: NodeLife, noticeMs: number): void {
    for (const end of [this.dialler, this.acceptor]) {
      if (end.life === life) end.end("the node died");
      else this.#network.after(noticeMs, () => end.end("the other end is gone"));
    }
  }

  resume(): void {
    this.dialler.outbound.resume();
    this.acceptor.outbound.resume();
  }

  noteEnd(): void {
    if (this.over) this.#network.ended(this);
  }
}

/** A session as one of its two nodes has it. */
export class SessionEnd implements PeerSession {
  readonly life: NodeLife;
  readonly outbound: Lane;
  readonly #session: SimSession;
  readonly #inbound: Lane;
  #listener: PeerSessionListener | undefined;
  #endReason: string | undefined;
  #told = false;
  /** Called when the session ends before its dialler has it. */
  onEarlyEnd: ((reason: string) => void) | undefined;

  constructor(session: SimSession, life: NodeLife, outbound: Lane, inbound: Lane) {
    this.#session = session;
    this.life = life;
    this.outbound = outbound;
    this.#inbound = inbound;
    inbound.deliverTo(this);
  }

  get node(): NodeId {
    return idOf(this.life);
  }

  get remote(): NodeId {
    return this.outbound.to;
  }

  get over(): boolean {
    return this.#endReason !== undefined;
  }

  get listening(): boolean {
    return this.#listener !== undefined;
  }

  send(message: PeerMessage): boolean {
    if (this.over || !this.life.alive) return false;
    if (messageSizeBytes(message) <= MESSAGE_BYTES_MAX) return this.outbound.send(message);
    this.close(`a ${message.kind} of more than ${MESSAGE_BYTES_MAX} bytes`);
    return false;
  }

  listen(listener: PeerSessionListener): void {
    assert(this.#listener === undefined, "a session has one listener");
    this.#listener = listener;
    if (this.over) this.#tellEnd();
    else this.#inbound.resume();
  }

  close(reason: string): void {
    if (this.over || !this.life.alive) return;
    this.#session.closedBy(this, reason);
  }

  /** For the lane. */
  take(message: PeerMessage): void {
    if (!this.over && this.life.alive) this.#listener?.message(message);
  }

  /** For the session. */
  end(reason: string): void {
    if (this.over) return;
    this.#endReason = reason;
    this.#inbound.lose();
    this.onEarlyEnd?.(reason);
    if (this.#listener !== undefined) this.#tellEnd();
    this.#session.noteEnd();
  }

  /** In a promise's turn, so that nobody is called back from within its own call of `close` or `listen`. */
  #tellEnd(): void {
    queueMicrotask(() => {
      if (this.#told || !this.life.alive) return;
      this.#told = true;
      this.#listener!.ended(this.#endReason!);
    });
  }
}

interface Parcel {
  readonly message: PeerMessage | undefined;
  /** Instead of a message: what happens when everything before has arrived. */
  readonly then: (() => void) | undefined;
  readonly sizeBytes: number;
  /** At the earliest: after all that was sent before. */
  readonly arrivesAtMs: number;
}

/** One direction of a session: a queue of bounded bytes on a line of bounded speed, in order. */
class Lane {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly #network: SessionNetwork;
  readonly #parcels: Parcel[] = [];
  #receiver: SessionEnd | undefined;
  #queuedBytes = 0;
  #lineFreeAtMs = 0;
  #cancelArrival: (() => void) | undefined;
  #finished = false;

  constructor(network: SessionNetwork, from: NodeId, to: NodeId) {
    this.#network = network;
    this.from = from;
    this.to = to;
  }

  deliverTo(receiver: SessionEnd): void {
    this.#receiver = receiver;
  }

  send(message: PeerMessage): boolean {
    const sizeBytes = messageSizeBytes(message);
    if (this.#queuedBytes + sizeBytes > SESSION_QUEUE_BYTES_MAX) return false;
    const wired = this.#network.onWire(this.from, this.to, message);
    if (this.#finished) return true; // the far end is gone and we have not heard of it yet
    for (const each of wired) this.#put(each, undefined, wired.length === 1 ? sizeBytes : messageSizeBytes(each));
    return true;
  }

  /** Runs `then` in order, at the arrival of what was sent before. */
  mark(then: () => void): void {
    this.#put(undefined, then, 0);
  }

  /** Nothing more is sent. A part of what is under way may be lost; `then` runs when the end is known at the far end. */
  finish(then: () => void): void {
    if (this.#finished) return;
    const kept = this.#network.luck(this.from, this.to).below(this.#parcels.length + 1);
    for (const lost of this.#parcels.splice(kept)) this.#queuedBytes -= lost.sizeBytes;
    this.#put(undefined, then, 0);
    this.#finished = true;
  }

  /** Nothing more arrives. */
  lose(): void {
    this.#finished = true;
    this.#parcels.length = 0;
    this.#queuedBytes = 0;
    this.#cancelArrival?.();
    this.#cancelArrival = undefined;
  }

  /** The line is whole again, or there is a listener now. */
  resume(): void {
    const first = this.#parcels[0];
    if (first === undefined || this.#cancelArrival !== undefined) return;
    const delayMs = Math.max(0, first.arrivesAtMs - this.#network.now());
    this.#cancelArrival = this.#network.after(delayMs, () => this.#arrive());
  }

  #put(message: PeerMessage | undefined, then: (() => void) | undefined, sizeBytes: number): void {
    const network = this.#network;
    this.#lineFreeAtMs = Math.max(network.now(), this.#lineFreeAtMs) + (1000 * sizeBytes) / network.bytesPerSecond;
    const arrivesAtMs = this.#lineFreeAtMs + network.latencyMs(this.from, this.to);
    this.#parcels.push({ message, then, sizeBytes, arrivesAtMs });
    this.#queuedBytes += sizeBytes;
    this.resume();
  }

  #arrive(): void {
    this.#cancelArrival = undefined;
    const receiver = this.#receiver!;
    const first = this.#parcels[0]!;
    // A cut line holds everything back; without a listener only marks pass.
    if (this.#network.isCut(this.from, this.to)) return;
    if (first.message !== undefined && !receiver.listening) return;
    this.#parcels.shift();
    this.#queuedBytes -= first.sizeBytes;
    this.resume();
    first.then?.();
    if (first.message === undefined || receiver.over || !receiver.life.alive) return;
    this.#network.arrived(this.from, this.to, first.message);
    receiver.take(first.message);
  }
}

function idOf(life: NodeLife): NodeId {
  return life.node as NodeId;
}
