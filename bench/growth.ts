/** How fast something grows: bytes of key that have arrived somewhere, looked at again and again. */
import { setTimeout as sleep } from "node:timers/promises";
import { BITS_PER_BYTE } from "../src/model/units.ts";

const LOOK_MS = 50;
const STANDSTILL_SECONDS_MAX = 60;
const MEGABIT = 1e6;

export interface Growth {
  readonly megabytes: number;
  readonly megabitsPerSecond: number;
}

/**
 * Looks for `seconds`, or until `bytesMax` have come; longer where nothing came at all.
 *
 * @throws Error when nothing comes
 */
export async function growthOf(
  total: () => Promise<number>,
  { seconds, bytesMax = Infinity }: { readonly seconds: number; readonly bytesMax?: number },
): Promise<Growth> {
  const before = await total();
  const begun = performance.now();
  for (;;) {
    await sleep(LOOK_MS);
    const bytes = (await total()) - before;
    const elapsed = (performance.now() - begun) / 1000;
    if ((bytes > 0 && elapsed >= seconds) || bytes >= bytesMax) {
      return { megabytes: bytes / 1e6, megabitsPerSecond: (BITS_PER_BYTE * bytes) / elapsed / MEGABIT };
    }
    if (elapsed > seconds + STANDSTILL_SECONDS_MAX) throw new Error(`no key for ${STANDSTILL_SECONDS_MAX} s`);
  }
}
