/** `on-demand`: nothing is prepared; each request that finds no stock starts a relay. The baseline (KoD). */
import type { PreEstablishmentStrategy } from "../pre-establishment-strategy.ts";

export const onDemand: PreEstablishmentStrategy = {
  name: "on-demand",
  target: () => ({ lowKeys: 0, targetKeys: 0 }),
  plan: () => [],
};
