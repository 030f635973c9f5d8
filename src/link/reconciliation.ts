/**
 * What a hello settles: whatever one end holds and the other does not is burned, and an owner whose disk went back in time
 * finds out. Everything here can only burn, so the session's mutual TLS is enough for it.
 */
import { bytesOfHex, hexOfBytes } from "../model/byte-layout.ts";
import { lookupIn, segmentRunsOf } from "../model/segment-runs.ts";
import { KX_PROTOCOL_VERSION, type Hello } from "../peer/peer-messages.ts";
import type { LinkParts } from "./link-parts.ts";
import { makeMark } from "./mark.ts";
import { isPlausible } from "./plausible-name.ts";

export function helloOf(
  parts: LinkParts,
  { incarnation, open, directory }: Pick<Hello, "incarnation" | "open" | "directory">,
): Hello {
  const { stock, self, clock } = parts;
  const { state, vault } = stock;
  return {
    kind: "hello",
    protocol: KX_PROTOCOL_VERSION,
    node: self,
    incarnation,
    storeId: vault.storeId,
    wallMs: Math.floor(clock.wall()),
    held: segmentRunsOf(stock.segments().map(([name]) => name)),
    open,
    openedUpTo: state.openedUpTo,
    witnessedUpTo: state.witnessedUpTo,
    ownMark: makeMark(vault),
    returnedMark: bytesOfHex(state.peerMark),
    directory,
  };
}

/** Burns what does not fit the neighbour's hello and remembers what it gave to keep. Durable when it resolves. */
export async function reconcile(parts: LinkParts, hello: Hello): Promise<void> {
  const { stock, selfEnd, log, troubles, clock } = parts;
  const transaction = stock.vault.transaction();
  const storeIsOther = stock.state.peerStoreId !== "" && stock.state.peerStoreId !== hello.storeId;
  if (storeIsOther) {
    troubles.happened(`${parts.neighbour} has a new store: what was shared with the old one is burned`);
  }
  let burned = 0;
  const heldThere = lookupIn(hello.held);
  const openThere = new Set(hello.open);
  for (const [name, record] of stock.segments()) {
    const ours = record.owner === selfEnd;
    const isOpenThere = !ours && openThere.has(name);
    const usedUp = ours ? name <= hello.witnessedUpTo : name <= hello.openedUpTo && !isOpenThere;
    const known = record.phase === "proposed" || isOpenThere || heldThere(name);
    if (!storeIsOther && !usedUp && known) continue;
    stock.destroySegment(transaction, name, "burned");
    burned += record.lengthBytes;
  }
  if (burned > 0) log.warn("segments that the neighbour does not hold were burned", { bytes: burned });
  const { witnessedUpTo } = hello;
  const raises = witnessedUpTo > stock.state.openedUpTo && isPlausible(witnessedUpTo, clock);
  if (storeIsOther) stock.forgetNames(transaction);
  else if (raises) stock.setState(transaction, { openedUpTo: witnessedUpTo });
  stock.setState(transaction, {
    peerStoreId: hello.storeId,
    peerMark: hexOfBytes(hello.ownMark),
  });
  await stock.vault.commit(transaction);
}
