/** Counts what the key supply of a node did since its start, for its status. */
import type { SupplyTotals } from "../api/operator/node-status.ts";
import { isQkdError } from "../model/errors.ts";
import type { KeySupply, SuppliedKey } from "../supply/key-supply.ts";

export interface CountedSupply {
  /** The same supply, counted. */
  readonly supply: KeySupply;
  totals(): SupplyTotals;
}

export function countSupply(supply: KeySupply): CountedSupply {
  const totals = { requests: 0, keysSupplied: 0, bytesSupplied: 0, refused: 0, shortages: 0 };
  const counted = async (ask: () => Promise<readonly SuppliedKey[]>): Promise<readonly SuppliedKey[]> => {
    totals.requests += 1;
    try {
      const keys = await ask();
      totals.keysSupplied += keys.length;
      totals.bytesSupplied += keys.reduce((sum, { material }) => sum + material.lengthBytes, 0);
      return keys;
    } catch (failure) {
      if (isQkdError(failure, "KEY_SHORTAGE", "DEADLINE")) totals.shortages += 1;
      else if (isQkdError(failure)) totals.refused += 1;
      throw failure;
    }
  };
  return {
    supply: {
      limits: supply.limits,
      status: (pair) => supply.status(pair),
      encryptionKeys: (request, deadline) => counted(() => supply.encryptionKeys(request, deadline)),
      decryptionKeys: (request, deadline) => counted(() => supply.decryptionKeys(request, deadline)),
    },
    totals: () => ({ ...totals }),
  };
}
