/** One session with a neighbour over a gRPC stream; either end of the stream, client's or server's, looks the same here. */
import { assert } from "../model/assert.ts";
import { sentenceOf } from "../model/errors.ts";
import type { NodeId } from "../model/ids.ts";
import type { PeerMessage } from "../peer/peer-messages.ts";
import { type PeerSession, type PeerSessionListener, SESSION_QUEUE_BYTES_MAX } from "../peer/peer-transport.ts";
import type { Logger } from "../runtime/logger.ts";
import { type Envelope, MESSAGE_BYTES_MAX, decodeEnvelope, encodeEnvelope, reasonForWire } from "./grpc-peer-codec.ts";

/** How long a session that ends may take to tell the other end why. */
export const GOODBYE_MS = 250;

/** What a session needs of either end of a gRPC stream: whole messages as byte strings. */
export interface MessageStream {
  on(event: "data", receive: (wire: Buffer) => void): unknown;
  /** Calls `taken` when the network has taken the message. */
  write(wire: Buffer, taken: () => void): unknown;
  end(): unknown;
  resume(): unknown;
}

export interface GrpcPeerSessionParts {
  readonly remote: NodeId;
  readonly stream: MessageStream;
  /** Lets go of the connection, at once. Called once. */
  readonly release: () => void;
  readonly log: Logger;
}

/** A session that its transport can watch. */
export interface GrpcPeerSession extends PeerSession {
  /** The stream is over, as gRPC tells it: by an error, or by the other end. What we still say may get there. */
  lost(reason: string): void;
  /** The connection is over: nothing gets there any more. */
  disconnected(reason: string): void;
  /** Settles when the session has let go of its connection. Never rejects. */
  readonly gone: Promise<void>;
}

export function createGrpcPeerSession(parts: GrpcPeerSessionParts): GrpcPeerSession {
  return new StreamSession(parts);
}

class StreamSession implements GrpcPeerSession {
  readonly remote: NodeId;
  readonly gone: Promise<void>;
  readonly #stream: MessageStream;
  readonly #release: () => void;
  readonly #log: Logger;
  #listener: PeerSessionListener | undefined;
  #queuedBytes = 0;
  #endReason: string | undefined;
  #goodbye: NodeJS.Timeout | undefined;

  constructor({ remote, stream, release, log }: GrpcPeerSessionParts) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.remote = remote;
    this.gone = promise;
    this.#stream = stream;
    this.#log = log;
    let released = false;
    this.#release = () => {
      clearTimeout(this.#goodbye);
      if (released) return;
      released = true;
      release();
      resolve();
    };
  }

  send(message: PeerMessage): boolean {
    if (this.#endReason !== undefined || this.#queuedBytes >= SESSION_QUEUE_BYTES_MAX) return false;
    const wire = encodeEnvelope(message);
    if (wire.length > MESSAGE_BYTES_MAX) {
      this.close(`a ${message.kind} of ${wire.length} bytes is more than a message may have (${MESSAGE_BYTES_MAX})`);
      return false;
    }
    if (this.#queuedBytes + wire.length > SESSION_QUEUE_BYTES_MAX) return false;
    this.#write(wire);
    return true;
  }

  listen(listener: PeerSessionListener): void {
    assert(this.#listener === undefined, "a session has one listener");
    this.#listener = listener;
    if (this.#endReason !== undefined) this.#tellEnd(this.#endReason);
    // Until now the stream was not read: what came waits in it, and flow control holds the rest at the other end.
    else this.#stream.on("data", (wire) => this.#receive(wire));
  }

  close(reason: string): void {
    if (this.#endReason !== undefined) return;
    this.#write(encodeEnvelope({ kind: "session-ending", reason: reasonForWire(reason) }));
    this.#end(reason);
  }

  lost(reason: string): void {
    this.#end(reason);
  }

  disconnected(reason: string): void {
    this.#end(reason);
    this.#release();
  }

  #write(wire: Buffer): void {
    this.#queuedBytes += wire.length;
    this.#stream.write(wire, () => (this.#queuedBytes -= wire.length));
  }

  #receive(wire: Buffer): void {
    if (this.#endReason !== undefined) return;
    let envelope: Envelope;
    try {
      envelope = decodeEnvelope(wire);
    } catch (failure) {
      this.#log.warn("peer message refused", { remote: this.remote, reason: sentenceOf(failure) });
      this.close(`${this.remote} sent what is no message: ${sentenceOf(failure)}`);
      return;
    }
    if (envelope.kind === "session-ending") this.#end(`${this.remote} ended the session: ${envelope.reason}`);
    else this.#listener!.message(envelope);
  }

  /** From here on nothing is delivered or queued. What was queued, and the goodbye, get a moment to leave. */
  #end(reason: string): void {
    if (this.#endReason !== undefined) return;
    this.#endReason = reason;
    this.#stream.end();
    this.#stream.resume();
    this.#goodbye = setTimeout(this.#release, GOODBYE_MS);
    if (this.#listener !== undefined) this.#tellEnd(reason);
  }

  /** In a later turn, so that nobody is told within its own call of `close` or `listen`. */
  #tellEnd(reason: string): void {
    const listener = this.#listener!;
    queueMicrotask(() => listener.ended(reason));
  }
}
