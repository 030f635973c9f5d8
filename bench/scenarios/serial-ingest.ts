/** Key of one link, from the modules' serial lines into the stock of both ends, agreed and durable. */
import type { Balances } from "../../src/store/ledger.ts";
import { AMPLE, balancesOf, inNetwork, NEIGHBOURS, NO_REFILL, type BenchNetwork } from "../bench-network.ts";
import { growthOf } from "../growth.ts";
import type { Scenario } from "../scenario.ts";

/** More than a daemon takes: the modules wait for their windows. */
const MODULE_RATE_BPS = 400_000_000;

export const serialIngest: Scenario = {
  name: "serial-ingest",
  about: "one link, two daemons, modules that give key as fast as it is taken; key in stock at both ends",
  async measure(options, book) {
    const fields = { pairs: [], preEstablishment: NO_REFILL };
    const { limits, blockBytes } = AMPLE;
    const network = { rateBps: MODULE_RATE_BPS, blockBytes, limits, fields };
    await inNetwork(NEIGHBOURS, network, options, async (bench) => {
      const agreed = (): Promise<number> => agreedBytes(bench);
      await growthOf(agreed, options); // warm-up: sessions, the compiler, LevelDB's first files
      for (let run = 1; run <= options.runs; run++) {
        const spentBefore = bench.processorSeconds();
        const { megabytes, megabitsPerSecond } = await growthOf(agreed, options);
        options.say(`run ${run}: ${megabitsPerSecond.toFixed(1)} Mb/s`);
        book.note("key agreed, the slower end", "Mb/s", megabitsPerSecond, { atLeast: 50 });
        const spent = bench.processorSeconds() - spentBefore;
        book.note("processor time of both daemons", "ms/MB", (1000 * spent) / megabytes);
      }
      bench.noteMemory(book);
    });
  },
};

/** At the end that has less of it. */
async function agreedBytes({ network }: BenchNetwork): Promise<number> {
  const ends = await Promise.all(NEIGHBOURS.nodes.map((node) => network.node(node).status()));
  return Math.min(...ends.map((status) => agreedIn(balancesOf(status, "link/hub--north"))));
}

const agreedIn = ({ received, quarantine, discarded, burned }: Balances): number =>
  received - quarantine - discarded - burned;
