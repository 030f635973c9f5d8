/** When the data keys are wrapped anew: at the start, each period, and sooner when many were destroyed. */
import type { Clock } from "../runtime/clock.ts";
import type { KeyVault } from "./key-vault.ts";

/** Data keys destroyed since the last wrapping, from which on the next is due before its time … */
const DESTROYED_MAX = 64;
/** … but not before this part of the period: it costs the work of all data keys. */
const SOONEST = 0.1;

export interface RewrapParts {
  readonly vault: KeyVault;
  readonly clock: Clock;
  /** Sealed anew before, without what was used, so that the re-wrap ends the data keys of the used parts as well. */
  readonly usedInPart: readonly { sealUsedAnew(): Promise<void> }[];
}

/** Until `signal` aborts. @throws QkdError STORE_FAILED */
export async function runRewraps(
  { vault, clock, usedInPart }: RewrapParts,
  { periodMs }: { readonly periodMs: number },
  signal: AbortSignal,
): Promise<void> {
  const isDue = (): boolean => {
    const { since, destroyed } = vault.wrapping;
    return destroyed >= DESTROYED_MAX || clock.monotonic() - since >= (1 - SOONEST / 2) * periodMs;
  };
  while (!signal.aborted) {
    for (const pool of usedInPart) await pool.sealUsedAnew();
    await vault.rewrap(signal);
    do await clock.sleep(SOONEST * periodMs, signal);
    while (!isDue());
  }
}
