/** The registry of strategies: a new one is one file beside this, and one line here. */
import type { PreEstablishmentStrategy } from "../pre-establishment-strategy.ts";
import { minimalBuffer } from "./minimal-buffer.ts";
import { onDemand } from "./on-demand.ts";
import { staticWatermark } from "./static-watermark.ts";

export const strategies: ReadonlyMap<string, PreEstablishmentStrategy> = new Map<string, PreEstablishmentStrategy>(
  [minimalBuffer, onDemand, staticWatermark].map((strategy) => [strategy.name, strategy]),
);
