/** Invariant 6: key material is conserved. Every ledger adds up, at every look, and agrees with what is really held. */
import type { World } from "../world.ts";

const PERIOD_MS = 250;

/** Looks again and again. @returns how often it has looked */
export function watchConserved(world: World): { readonly looks: number } {
  const report = { looks: 0 };
  const look = (): void => {
    for (const { id, node } of world.nodes) {
      if (node === undefined) continue;
      const { ledger } = node.vault;
      for (const owner of ledger.owners()) {
        const off = ledger.imbalance(owner);
        if (off !== 0) world.violate(`conserved: ${id}: the accounts of ${owner} are off by ${off} bytes`);
      }
      for (const link of node.links) {
        const { balances, openInboundBytes, openOutboundBytes } = link.report();
        const open = openInboundBytes + openOutboundBytes;
        // a segment that is just being opened is booked, and not yet in the room that will hold it
        if (open > balances.open) {
          world.violate(`conserved: ${id}: ${open} bytes of ${link.id} are open, the ledger says ${balances.open}`);
        }
      }
      report.looks += 1;
    }
    world.clock.after(PERIOD_MS, look);
  };
  world.clock.after(PERIOD_MS, look);
  return report;
}
