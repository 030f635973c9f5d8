/** The module's side of the dialogue at one end of a link, without any waiting: bytes and times in, frames out. */
import { FrameParser } from "../../drivers/serial-frame/frame.ts";
import {
  PROTOCOL_VERSION,
  decodeHostMessage,
  encodeModuleMessage,
  type HostMessage,
} from "../../drivers/serial-frame/messages.ts";
import { HEARTBEAT_MS, SILENCE_MS } from "../../drivers/serial-frame/session.ts";
import type { QkdModuleIdentity } from "../driver/qkd-driver.ts";
import { sentenceOf } from "../model/errors.ts";
import type { MonotonicMs } from "../runtime/clock.ts";
import type { LinkEnd, LinkPair } from "./link-pair.ts";

/** What an `error` frame says. */
const ERROR = { malformed: 1, noHello: 2, windowTooSmall: 3 } as const;

type Phase =
  | { readonly kind: "waiting" }
  | { readonly kind: "greeted" }
  | {
      readonly kind: "streaming";
      readonly windowBytes: number;
      /** The block to give next. */
      next: number;
      sequence: number;
      /** Blocks that were given and not acknowledged. */
      outstanding: { readonly number: number; readonly bytes: number }[];
      outstandingBytes: number;
    };

/** What is to be written, one frame of each at most; key follows when none of these is left. */
type Outgoing = "identity" | "resumed" | "status" | "heartbeat" | "error";

export interface ModuleEndParts {
  readonly pair: LinkPair;
  readonly end: LinkEnd;
  readonly identity: QkdModuleIdentity;
  readonly blockBytes: number;
}

export class ModuleEnd {
  readonly #parts: ModuleEndParts;
  readonly #parser = new FrameParser();
  readonly #outgoing = new Set<Outgoing>();
  #phase: Phase = { kind: "waiting" };
  #helloNonce = "";
  #version = 0;
  #resumeNonce = "";
  #error: { readonly code: number; readonly reason: string } | undefined;
  #heardAt: MonotonicMs = 0;

  constructor(parts: ModuleEndParts) {
    this.#parts = parts;
  }

  /** Takes bytes of the line, and overwrites them. */
  bytes(bytes: Uint8Array, now: MonotonicMs): void {
    this.#parser.push(bytes, now, (kind, payload) => {
      this.#heardAt = now;
      try {
        this.#message(decodeHostMessage(kind, payload));
      } catch (error) {
        this.#refuse(ERROR.malformed, sentenceOf(error));
      }
    });
  }

  /** To be called once every `HEARTBEAT_MS`. A host that says nothing is gone: the line gets quiet until it says hello. */
  tick(now: MonotonicMs): void {
    if (this.#phase.kind === "waiting") return;
    if (now - this.#heardAt >= SILENCE_MS + HEARTBEAT_MS) {
      this.#await();
      return;
    }
    this.#outgoing.add("status").add("heartbeat");
  }

  /** The link's state changed. */
  statusChanged(): void {
    if (this.#phase.kind !== "waiting") this.#outgoing.add("status");
  }

  /** The line hung up: the next host begins with hello. */
  reset(): void {
    this.#await();
    this.#parser.clear();
  }

  /** The next frame to write, if there is one; the caller overwrites it when it is written. */
  nextOutgoing(): Uint8Array | undefined {
    const [kind] = this.#outgoing;
    if (kind === undefined) return this.#nextKey();
    this.#outgoing.delete(kind);
    switch (kind) {
      case "identity":
        return encodeModuleMessage({
          kind: "identity",
          version: this.#version,
          versionMin: PROTOCOL_VERSION,
          versionMax: PROTOCOL_VERSION,
          nonce: this.#helloNonce,
          ...this.#parts.identity,
        });
      case "resumed":
        return encodeModuleMessage({ kind: "resumed", nonce: this.#resumeNonce });
      case "status":
        return encodeModuleMessage({ kind: "status", status: this.#parts.pair.status() });
      case "heartbeat": {
        const sequence = this.#phase.kind === "streaming" ? this.#phase.sequence : 0;
        return encodeModuleMessage({ kind: "heartbeat", sequence });
      }
      case "error":
        return encodeModuleMessage({ kind: "error", ...this.#error! });
    }
  }

  #nextKey(): Uint8Array | undefined {
    const stream = this.#phase;
    if (stream.kind !== "streaming") return undefined;
    if (stream.outstandingBytes + this.#parts.blockBytes > stream.windowBytes) return undefined;
    const { pair, end } = this.#parts;
    while (pair.isWithheld(end, stream.next)) stream.next += 1; // acknowledged with the blocks after it
    const block = pair.block(end, stream.next);
    if (block === undefined) return undefined;
    const frame = encodeModuleMessage({ kind: "key", sequence: stream.sequence, id: block.id, bytes: block.bytes });
    stream.next += 1;
    stream.sequence += 1;
    stream.outstanding.push({ number: block.number, bytes: block.bytes.length });
    stream.outstandingBytes += block.bytes.length;
    return frame;
  }

  #message(message: HostMessage): void {
    if (message.kind === "hello") {
      const speaks = message.versionMin <= PROTOCOL_VERSION && PROTOCOL_VERSION <= message.versionMax;
      this.#version = speaks ? PROTOCOL_VERSION : 0;
      this.#helloNonce = message.nonce;
      this.#phase = speaks ? { kind: "greeted" } : { kind: "waiting" };
      this.#outgoing.clear();
      this.#outgoing.add("identity");
      if (speaks) this.#outgoing.add("status");
    } else if (this.#phase.kind === "waiting") {
      this.#refuse(ERROR.noHello, "say hello first");
    } else if (message.kind === "resume") {
      this.#resume(message);
    } else if (message.kind === "acknowledge") {
      const number = this.#parts.pair.numberOf(message.stored);
      if (number !== undefined) this.#acknowledge(number);
    }
  }

  /** Forgets what is stored, and goes on after what was received. An id of another run says nothing about our blocks. */
  #resume({ nonce, windowBytes, stored, received }: HostMessage & { kind: "resume" }): void {
    const { pair, end, blockBytes } = this.#parts;
    if (windowBytes < blockBytes) {
      this.#refuse(ERROR.windowTooSmall, `a window of ${windowBytes} bytes is less than a block of ${blockBytes}`);
      return;
    }
    const storedNumber = stored === undefined ? undefined : pair.numberOf(stored);
    if (storedNumber !== undefined) pair.acknowledge(end, storedNumber);
    const first = pair.firstKept(end);
    const receivedNumber = received === undefined ? undefined : pair.numberOf(received);
    const next = Math.min(Math.max(first, (receivedNumber ?? -1) + 1), pair.generatedBlocks);
    const outstanding = [];
    for (let number = first; number < next; number++) outstanding.push({ number, bytes: blockBytes });
    const outstandingBytes = outstanding.length * blockBytes;
    this.#phase = { kind: "streaming", windowBytes, next, sequence: 0, outstanding, outstandingBytes };
    this.#resumeNonce = nonce;
    this.#outgoing.delete("heartbeat"); // its count would be taken for the new stream's
    this.#outgoing.add("resumed");
  }

  #acknowledge(number: number): void {
    this.#parts.pair.acknowledge(this.#parts.end, number);
    const stream = this.#phase;
    if (stream.kind !== "streaming") return;
    while (stream.outstanding.length > 0 && stream.outstanding[0]!.number <= number) {
      stream.outstandingBytes -= stream.outstanding.shift()!.bytes;
    }
  }

  #await(): void {
    this.#phase = { kind: "waiting" };
    this.#outgoing.clear();
  }

  #refuse(code: number, reason: string): void {
    this.#await();
    this.#error = { code, reason };
    this.#outgoing.add("error");
  }
}
