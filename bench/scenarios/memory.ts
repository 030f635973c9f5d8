/** Memory of daemons in ordinary service: links that give key, pools that are refilled, SAEs that ask and fetch. */
import { AMPLE, inNetwork, TWO_HOPS } from "../bench-network.ts";
import type { Scenario } from "../scenario.ts";

const LINK_RATE_BPS = 4_000_000;
const PAIRS_PER_SECOND = 200;
const LANES = 16;

export const memory: Scenario = {
  name: "memory",
  about: "three daemons at once: links of 4 Mb/s, pools of 8,192 keys, 200 pairs a second between the outer two",
  async measure(options, book) {
    const preEstablishment = { strategy: "static-watermark", lowKeys: 4096, highKeys: 8192 };
    const { segmentBytes } = AMPLE.limits;
    const network = { rateBps: LINK_RATE_BPS, limits: { segmentBytes }, fields: { preEstablishment } };
    await inNetwork(TWO_HOPS, network, options, async (bench) => {
      await bench.network.filled(undefined, 120);
      const load = bench.load("pair", ["sae-north", "sae-south"], LANES);
      for (let run = 1; run <= options.runs; run++) {
        const { done } = await load.run({ seconds: options.seconds, perSecond: PAIRS_PER_SECOND });
        options.say(`run ${run}: ${done} pairs`);
        bench.noteMemory(book);
      }
    });
  },
};
