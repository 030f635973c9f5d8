/**
 * The host's side of the dialogue with a module, without any waiting: bytes and times go in, frames and keys come out.
 *
 *   greeting --identity--> idle --resume()--> resuming --resumed--> streaming --pause()--> idle
 *                                                ^                      |
 *                                                +------- a gap --------+       any --silence, error--> lost
 */
import type { QkdKeyBatch, QkdModuleFaults, QkdModuleIdentity, QkdModuleStatus } from "../../src/driver/qkd-driver.ts";
import { KeyBatchBuilder } from "../../src/driver/key-batch-builder.ts";
import { QkdError, sentenceOf } from "../../src/model/errors.ts";
import type { QkdKeyId } from "../../src/model/ids.ts";
import { SECOND_MS } from "../../src/model/units.ts";
import type { MonotonicMs } from "../../src/runtime/clock.ts";
import { FrameParser } from "./frame.ts";
import { ReceivedIds } from "./received-ids.ts";
import {
  BLOCK_BYTES_MAX,
  FROM_MODULE_BIT,
  PROTOCOL_VERSION,
  decodeModuleMessage,
  encodeHostMessage,
  type ModuleMessage,
} from "./messages.ts";

/** How often each side says that it is there, and repeats what was not answered. */
export const HEARTBEAT_MS = SECOND_MS;
/** A module that says nothing for so long is lost. */
export const SILENCE_MS = 5 * SECOND_MS;

export interface DialogueParts {
  readonly path: string;
  readonly windowBytes: number;
  /** A batch is handed on when it is so long; a longer one only if it is a single key. */
  readonly batchBytesMax: number;
  /** A new name for a question, so that an old answer is not taken for its answer. */
  readonly newNonce: () => string;
  readonly now: MonotonicMs;
}

type Phase =
  | { readonly kind: "greeting"; readonly nonce: string; readonly since: MonotonicMs }
  | { readonly kind: "idle" }
  | { readonly kind: "resuming"; readonly nonce: string }
  | { readonly kind: "streaming"; sequence: number }
  | { readonly kind: "lost"; readonly reason: QkdError };

type Outgoing = "hello" | "resume" | "acknowledge" | "heartbeat";

export class HostDialogue {
  readonly #parts: DialogueParts;
  readonly #parser = new FrameParser();
  readonly #outgoing = new Set<Outgoing>();
  readonly #ids = new ReceivedIds();
  #phase: Phase;
  #identity: QkdModuleIdentity | undefined;
  #status: QkdModuleStatus = { state: "aligning" };
  readonly #builder = new KeyBatchBuilder();
  /** Full batches, oldest first. The window bounds them. */
  #queue: QkdKeyBatch[] = [];
  /** Batches that the reader took and has not acknowledged. */
  #taken: { readonly last: QkdKeyId; readonly bytes: number }[] = [];
  /** Key bytes that came and are not acknowledged: being joined, queued, or with the reader. */
  #unacknowledgedBytes = 0;
  #stored: QkdKeyId | undefined;
  #received: QkdKeyId | undefined;
  #keysRefused = 0;
  /** The rest of what a module was saying to an earlier host is no fault of the line. */
  #beforeGreeting = { garbageRuns: 0, crcErrors: 0 };
  #heardAt: MonotonicMs;

  constructor(parts: DialogueParts) {
    this.#parts = parts;
    this.#heardAt = parts.now;
    this.#phase = { kind: "greeting", nonce: parts.newNonce(), since: parts.now };
    this.#outgoing.add("hello");
  }

  /** Who the module is, once it has said so. */
  get identity(): QkdModuleIdentity | undefined {
    return this.#identity;
  }

  get status(): QkdModuleStatus {
    return this.#status;
  }

  get faults(): QkdModuleFaults {
    const { garbageRuns, crcErrors } = this.#parser;
    return {
      garbageRuns: garbageRuns - this.#beforeGreeting.garbageRuns,
      crcErrors: crcErrors - this.#beforeGreeting.crcErrors,
      keysRefused: this.#keysRefused,
    };
  }

  /** Why the dialogue is over, if it is. */
  get lost(): QkdError | undefined {
    return this.#phase.kind === "lost" ? this.#phase.reason : undefined;
  }

  /** Takes bytes of the line, and overwrites them. */
  bytes(bytes: Uint8Array, now: MonotonicMs): void {
    this.#parser.push(bytes, now, (kind, payload) => this.#frame(kind, payload, now));
  }

  /** To be called once every `HEARTBEAT_MS`. */
  tick(now: MonotonicMs): void {
    const phase = this.#phase;
    const since = phase.kind === "greeting" ? phase.since : this.#heardAt;
    if (phase.kind !== "lost" && now - since >= SILENCE_MS) this.#lose(this.#silence(phase));
    else if (phase.kind === "greeting") this.#outgoing.add("hello");
    else if (phase.kind === "resuming") this.#outgoing.add("resume");
    else this.#outgoing.add(this.#stored === undefined ? "heartbeat" : "acknowledge");
  }

  /** The next frame to write, if there is one. A frame that was asked for twice is written once, in its newest form. */
  nextOutgoing(): Uint8Array | undefined {
    const [kind] = this.#outgoing;
    if (kind === undefined) return undefined;
    this.#outgoing.delete(kind);
    const frame = this.#encode(kind);
    return frame ?? this.nextOutgoing();
  }

  /** Asks for the keys after `stored`. What came before and was not acknowledged comes again. */
  resume(stored: QkdKeyId | undefined): void {
    if (this.#phase.kind === "lost") return;
    this.pause();
    this.#stored = stored ?? this.#stored;
    this.#received = undefined;
    this.#ids.restart(this.#stored);
    this.#askAgain();
  }

  /** Takes no more keys; erases those that nobody took. */
  pause(): void {
    for (const { material } of this.#queue) material.erase();
    this.#queue = [];
    this.#builder.clear();
    this.#taken = [];
    this.#unacknowledgedBytes = 0;
    if (this.#phase.kind !== "lost" && this.#phase.kind !== "greeting") this.#phase = { kind: "idle" };
  }

  /** Keys that came, oldest first; undefined when there are none. */
  takeBatch(): QkdKeyBatch | undefined {
    const batch = this.#queue.shift() ?? this.#builder.take();
    if (batch !== undefined) this.#taken.push({ last: batch.last, bytes: batch.material.lengthBytes });
    return batch;
  }

  /** The reader has stored the batch whose last key this is, and those before it. */
  acknowledge(last: QkdKeyId): void {
    const at = this.#taken.findIndex((batch) => batch.last === last);
    for (const { bytes } of this.#taken.splice(0, at + 1)) this.#unacknowledgedBytes -= bytes;
    this.#stored = last;
    this.#outgoing.add("acknowledge");
  }

  /** Erases what is in memory. */
  end(reason: QkdError): void {
    this.pause();
    this.#parser.clear();
    this.#lose(reason);
  }

  #encode(kind: Outgoing): Uint8Array | undefined {
    const phase = this.#phase;
    switch (kind) {
      case "hello":
        if (phase.kind !== "greeting") return undefined;
        return encodeHostMessage({
          kind: "hello",
          versionMin: PROTOCOL_VERSION,
          versionMax: PROTOCOL_VERSION,
          nonce: phase.nonce,
        });
      case "resume": {
        if (phase.kind !== "resuming") return undefined;
        const { windowBytes } = this.#parts;
        const [stored, received] = [this.#stored, this.#received];
        return encodeHostMessage({ kind: "resume", nonce: phase.nonce, windowBytes, stored, received });
      }
      case "acknowledge":
        return this.#stored === undefined
          ? undefined
          : encodeHostMessage({ kind: "acknowledge", stored: this.#stored });
      case "heartbeat":
        return encodeHostMessage({ kind: "heartbeat" });
    }
  }

  #frame(kind: number, payload: Uint8Array, now: MonotonicMs): void {
    if (this.#phase.kind === "lost") return;
    if ((kind & FROM_MODULE_BIT) === 0) {
      this.#lose(
        this.#deviceLost("the line sends back what was written to it: there is no module on it, or it echoes"),
      );
      return;
    }
    this.#heardAt = now;
    try {
      this.#message(decodeModuleMessage(kind, payload));
    } catch (error) {
      this.#lose(this.#deviceLost(sentenceOf(error)));
    }
  }

  #message(message: ModuleMessage): void {
    switch (message.kind) {
      case "identity":
        return this.#greeted(message);
      case "resumed":
        if (this.#phase.kind === "resuming" && this.#phase.nonce === message.nonce) {
          this.#phase = { kind: "streaming", sequence: 0 };
        }
        return;
      case "key":
        return this.#key(message);
      case "status":
        this.#status = message.status;
        return;
      case "heartbeat":
        if (this.#phase.kind === "streaming" && this.#phase.sequence !== message.sequence) this.#askAgain();
        return;
      case "error":
        // An error from before our hello is about somebody else's dialogue.
        if (this.#phase.kind === "greeting") return;
        this.#lose(this.#deviceLost(`the module ends the dialogue: ${message.reason} (${message.code})`));
    }
  }

  #greeted(message: ModuleMessage & { kind: "identity" }): void {
    if (this.#phase.kind !== "greeting" || this.#phase.nonce !== message.nonce) return;
    if (message.version !== PROTOCOL_VERSION) {
      const theirs = `${message.versionMin} to ${message.versionMax}`;
      this.#lose(
        new QkdError(
          "VERSION_MISMATCH",
          `the module at ${this.#parts.path} speaks serial-frame ${theirs}, this driver ${PROTOCOL_VERSION}`,
          { path: this.#parts.path, theirs, ours: PROTOCOL_VERSION },
        ),
      );
      return;
    }
    const { vendor, model, serialNumber } = message;
    this.#identity = { vendor, model, serialNumber };
    this.#beforeGreeting = { garbageRuns: this.#parser.garbageRuns, crcErrors: this.#parser.crcErrors };
    this.#phase = { kind: "idle" };
  }

  #key(message: ModuleMessage & { kind: "key" }): void {
    if (this.#phase.kind !== "streaming") return; // sent before the module read our question
    if (message.sequence !== this.#phase.sequence) {
      this.#askAgain();
      return;
    }
    this.#phase.sequence += 1;
    const lengthBytes = message.bytes.length;
    if (lengthBytes < 1 || lengthBytes > BLOCK_BYTES_MAX || !this.#ids.accept(message.id)) {
      this.#keysRefused += 1;
      return;
    }
    if (this.#unacknowledgedBytes + lengthBytes > this.#parts.windowBytes) {
      this.#lose(this.#deviceLost(`the module sends more than the ${this.#parts.windowBytes} bytes it was allowed`));
      return;
    }
    this.#received = message.id;
    this.#unacknowledgedBytes += lengthBytes;
    if (this.#builder.lengthBytes + lengthBytes > this.#parts.batchBytesMax) {
      const full = this.#builder.take();
      if (full !== undefined) this.#queue.push(full);
    }
    this.#builder.add(message.id, message.bytes);
  }

  /** A frame was damaged on the line, or nothing was asked for yet: the module is to go on after the last that came. */
  #askAgain(): void {
    this.#phase = { kind: "resuming", nonce: this.#parts.newNonce() };
    this.#outgoing.add("resume");
  }

  #silence(phase: Phase): QkdError {
    const seconds = SILENCE_MS / SECOND_MS;
    if (phase.kind === "greeting") return this.#deviceLost(`no answer within ${seconds} s`);
    return this.#deviceLost(`the module was silent for ${seconds} s`);
  }

  #deviceLost(reason: string): QkdError {
    const { path } = this.#parts;
    return new QkdError("DEVICE_LOST", `${path}: ${reason}`, { path, reason });
  }

  #lose(reason: QkdError): void {
    if (this.#phase.kind === "lost") return;
    this.#phase = { kind: "lost", reason };
    this.#outgoing.clear();
  }
}
