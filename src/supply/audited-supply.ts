/** Key supply that leaves a line in the audit trail for each request, and supplies nothing that the trail cannot keep. */
import { isQkdError, QkdError } from "../model/errors.ts";
import { BITS_PER_BYTE, SECOND_MS } from "../model/units.ts";
import type { AuditTrail } from "../runtime/audit-trail.ts";
import type { Clock } from "../runtime/clock.ts";
import { Repeats } from "../runtime/repeats.ts";
import type { KeySupply, SaePair, SuppliedKey } from "./key-supply.ts";

/** Refusals of one pair, for one reason: a line a second is enough to see an attempt. */
const ALIKE_MS = SECOND_MS;

type Role = "initiator" | "target";

export function auditSupply(supply: KeySupply, { audit, clock }: { audit: AuditTrail; clock: Clock }): KeySupply {
  const refusals = new Repeats(clock, ALIKE_MS);
  const audited = async (
    role: Role,
    { initiator, target }: SaePair,
    ask: () => Promise<readonly SuppliedKey[]>,
  ): Promise<readonly SuppliedKey[]> => {
    const stop = audit.supplyStop();
    if (stop !== undefined) throw new QkdError("SUPPLY_STOPPED", `no key is supplied: ${stop}`, {});
    try {
      const keys = await ask();
      const ids = keys.map(({ id }) => id);
      const sizeBits = (keys[0]?.material.lengthBytes ?? 0) * BITS_PER_BYTE;
      audit.record({ event: "keys-supplied", role, initiator, target, count: keys.length, sizeBits, ids });
      return keys;
    } catch (failure) {
      if (isQkdError(failure, "KEY_FOREIGN", "KEY_UNKNOWN", "SAE_NOT_ALLOWED", "SAE_UNKNOWN")) {
        const reason = failure.code;
        const alike = refusals.next(`${role} ${initiator} ${target} ${reason}`);
        if (alike !== undefined) audit.record({ event: "supply-refused", role, initiator, target, reason, alike });
      }
      throw failure;
    }
  };
  return {
    limits: supply.limits,
    status: (pair) => supply.status(pair),
    encryptionKeys: (request, deadline) =>
      audited("initiator", request.pair, () => supply.encryptionKeys(request, deadline)),
    decryptionKeys: (request, deadline) =>
      audited("target", request.pair, () => supply.decryptionKeys(request, deadline)),
  };
}
