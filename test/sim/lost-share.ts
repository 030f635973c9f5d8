/** For a ring of five: loses shares of n1 for n3 on their last link, and can make n1 send a lost share again, the other way. */
import { readFrame } from "../../src/link/hop-frame.ts";
import type { QkdLink } from "../../src/link/qkd-link.ts";
import type { PeerMessage } from "../../src/peer/peer-messages.ts";
import { decodeRelayHeader, decodeRelayPlan, type RelayPlan } from "../../src/relay/relay-frame.ts";
import type { World } from "./world.ts";

const [FROM, TO] = ["n1", "n3"] as const;

/** Shares that come over n4 get as far as n4 has seen them, until `mend`, or until so many are lost. */
export function loseSharesAtN4(world: World, max = Infinity): { readonly lost: number; mend(): void } {
  const report = { lost: 0, mend: () => world.network.tamper(undefined) };
  world.network.tamper((from, to, message: PeerMessage) => {
    if (from !== "n4" || to !== TO || message.kind !== "frame") return message;
    const plan = planIn(readFrame(message.bytes).header);
    if (plan?.share === undefined || plan.origin !== FROM || report.lost === max) return message;
    report.lost += 1;
    return undefined;
  });
  return report;
}

function planIn(header: Uint8Array): RelayPlan | undefined {
  const { payloadOffset, plan } = decodeRelayHeader(header);
  return payloadOffset === 0 ? decodeRelayPlan(plan) : undefined;
}

/** n1 sends a lost share again, byte for byte, in the place of a fresh one; and over the route of another share. */
export function resendLostShares(world: World): void {
  const node = world.nodes[0]!.node!;
  const sent = new Map<string, Uint8Array>();
  const { router } = node.topology;
  (router as { routeBeside: typeof router.routeBeside }).routeBeside = (_, others) => others[0];
  for (const link of node.links) {
    const seal = link.seal.bind(link);
    (link as { seal: QkdLink["seal"] }).seal = (payloadMax, headerFor, fill) => {
      let place = "";
      const header: typeof headerFor = (payloadBytes) => {
        const bytes = headerFor(payloadBytes);
        const share = planIn(bytes)?.share;
        place = share === undefined ? "" : `${share.key} ${share.index}`;
        return bytes;
      };
      return seal(payloadMax, header, (ciphertext, pad) => {
        const before = sent.get(place);
        if (before?.length !== ciphertext.length) {
          fill(ciphertext, pad);
          if (place !== "") sent.set(place, xor(ciphertext, pad));
        } else {
          fill(ciphertext, leadingTo(before, ciphertext));
          ciphertext.set(xor(before, pad));
        }
      });
    };
  }
}

/** A pad under which whatever is drawn means `payload`. */
function leadingTo(payload: Uint8Array, drawn: Uint8Array): Uint8Array {
  return new Proxy(payload, {
    get: (target, name) =>
      typeof name === "string" && /^\d+$/.test(name)
        ? drawn[Number(name)]! ^ target[Number(name)]!
        : Reflect.get(target, name),
  });
}

const xor = (one: Uint8Array, other: Uint8Array): Uint8Array => one.map((byte, i) => byte ^ other[i]!);
