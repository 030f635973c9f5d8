import type { FrameRefusal, OpenedFrame } from "../../../src/link/inbound-pads.ts";
import { layFrame } from "../../../src/link/hop-frame.ts";
import type { QkdLink } from "../../../src/link/qkd-link.ts";
import { segmentName, type NodeId } from "../../../src/model/ids.ts";
import type { PeerMessage } from "../../../src/peer/peer-messages.ts";

export const node = (name: string): NodeId => name as NodeId;

/** A link that carries what it is told to: pads are all zero, so that ciphertext is what was sealed. */
export interface StandInLink {
  readonly link: QkdLink;
  readonly sent: PeerMessage[];
  up: boolean;
  padBytes: number;
  lineFull: boolean;
  opens: FrameRefusal | "all";
}

export function standInLink(neighbour: string): StandInLink {
  const state: Omit<StandInLink, "link"> = { sent: [], up: true, padBytes: 1_000_000, lineFull: false, opens: "all" };
  const link: Pick<
    QkdLink,
    "neighbour" | "id" | "up" | "send" | "padBytesAvailable" | "wantPad" | "seal" | "openFrame"
  > = {
    id: `${neighbour}--x` as QkdLink["id"],
    neighbour: node(neighbour),
    get up() {
      return state.up;
    },
    send: (message) => !state.lineFull && state.sent.push(message) > 0,
    padBytesAvailable: () => state.padBytes,
    wantPad: () => undefined,
    seal(payloadMax, headerFor, fill) {
      const payloadBytes = Math.min(payloadMax, state.padBytes);
      if (payloadBytes === 0) return undefined;
      state.padBytes -= payloadBytes;
      const frame = layFrame(segmentName(1, 1), 96, headerFor(payloadBytes), payloadBytes);
      fill(frame.ciphertext, new Uint8Array(payloadBytes));
      return { bytes: frame.bytes, payloadBytes };
    },
    openFrame({ bytes }): OpenedFrame | FrameRefusal {
      if (state.opens !== "all") return state.opens;
      const headerBytes = new DataView(bytes.buffer, bytes.byteOffset).getUint16(20);
      const ciphertext = bytes.subarray(22 + headerBytes, -16);
      const pad = new Uint8Array(ciphertext.length);
      return { header: bytes.subarray(22, 22 + headerBytes), ciphertext, pad, release: () => undefined };
    },
  };
  return Object.assign(state, { link: link as QkdLink });
}

/** What was said on a link, in short. */
export const answersOf = ({ sent }: StandInLink): string[] =>
  sent.map((message) =>
    message.kind !== "relay-answer" && message.kind !== "relay-reservation-answer"
      ? message.kind
      : message.outcome.kind === "refused"
        ? `${message.outcome.reason} at ${message.outcome.atHop}`
        : message.outcome.kind,
  );
