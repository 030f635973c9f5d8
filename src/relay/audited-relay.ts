/** Relays that leave a line in the audit trail: each that brought key, and each kind of failure once in a while. */
import { SECOND_MS } from "../model/units.ts";
import type { AuditTrail } from "../runtime/audit-trail.ts";
import type { Clock } from "../runtime/clock.ts";
import { Repeats } from "../runtime/repeats.ts";
import type { KeyRelay } from "./key-relay.ts";

/** A refill that fails is tried again within a second, for as long as it fails. */
const ALIKE_MS = 10 * SECOND_MS;

export function auditEstablish(
  relay: Pick<KeyRelay, "establish">,
  { audit, clock }: { readonly audit: AuditTrail; readonly clock: Clock },
): KeyRelay["establish"] {
  const failures = new Repeats(clock, ALIKE_MS);
  return async (order, deadline) => {
    const outcome = await relay.establish(order, deadline);
    const { target, keyClass } = order;
    if (outcome.kind === "established") {
      audit.record({ event: "relay-established", target, keyClass, bytes: outcome.bytes, routes: outcome.routes });
      return outcome;
    }
    const { reason, atHop } = outcome.kind === "refused" ? outcome : { reason: outcome.kind, atHop: undefined };
    const alike = failures.next(`${target} ${keyClass} ${reason} ${atHop}`);
    if (alike !== undefined) audit.record({ event: "relay-failed", target, keyClass, reason, atHop, alike });
    return outcome;
  };
}
