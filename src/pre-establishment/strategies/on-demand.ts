/** `on-demand`: nothing is prepared; each request that finds no stock starts a relay. The baseline (KoD). */
import type { PreEstablishmentStrategy } from "../pre-establishment-strategy.ts";

export const onDemand: PreEstablishmentStrategy<undefined> = {
  name: "on-demand",
  begin: () => undefined,
  next: ({ pools }) => ({
    plans: pools.map(({ target, keyClass }) => ({
      target,
      keyClass,
      phase: "idle",
      targetKeys: 0,
      lowKeys: 0,
      orderBytes: 0,
      reason: "nothing is prepared: relays start with requests",
    })),
    memory: undefined,
  }),
};
