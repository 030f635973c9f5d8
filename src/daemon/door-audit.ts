/** Tells the audit trail who was turned away at a door of this node, and no more often than a disk can bear. */
import { SECOND_MS } from "../model/units.ts";
import type { AuditTrail } from "../runtime/audit-trail.ts";
import type { Clock } from "../runtime/clock.ts";
import { Repeats } from "../runtime/repeats.ts";

/** Of one address. */
const ALIKE_MS = 10 * SECOND_MS;
/** Of all addresses together. */
const LINES_PER_SECOND = 5;
const REASON_CHARACTERS_MAX = 200;

/** Told of each refusal: the address, without a port, and why. */
export type DoorRefusal = (from: string, reason: string) => void;

export function auditDoor(
  door: "sae" | "peer",
  { audit, clock }: { readonly audit: AuditTrail; readonly clock: Clock },
): DoorRefusal {
  const repeats = new Repeats(clock, ALIKE_MS);
  let passedOver = 0;
  let second = 0;
  let inSecond = 0;
  return (from, reason) => {
    const known = repeats.next(from);
    const now = Math.floor(clock.monotonic() / SECOND_MS);
    if (now !== second) inSecond = 0;
    second = now;
    if (known === undefined || inSecond >= LINES_PER_SECOND) {
      passedOver += 1;
      return;
    }
    inSecond += 1;
    const told = reason.slice(0, REASON_CHARACTERS_MAX);
    audit.record({ event: "access-refused", door, from, reason: told, alike: passedOver });
    passedOver = 0;
  };
}
