/** End-to-end key between two nodes that share no fibre, relayed by a third: how fast their pools grow. */
import { readFileSync, writeFileSync } from "node:fs";
import { parse, stringify } from "yaml";
import { until } from "../../test/e2e/daemon-process.ts";
import { AMPLE, balancesOf, inNetwork, NO_REFILL, TWO_HOPS, type BenchNetwork } from "../bench-network.ts";
import { growthOf } from "../growth.ts";
import type { BenchOptions, Scenario } from "../scenario.ts";

const LINK_RATE_BPS = 100_000_000;
/** A window ends when so much of the links' stock is used for each of its seconds: it shall not run dry. */
const STOCK_BYTES_PER_SECOND = 6_000_000;
const FILL_SECONDS_MAX = 300;
const REFILL_ALL = { strategy: "static-watermark", lowKeys: 10_000_000, highKeys: 10_000_000 };

export const relayTwoHops: Scenario = {
  name: "relay-two-hops",
  about: "three daemons; key between the outer two, both directions together, out of links that were filled before",
  async measure(options, book) {
    const { limits, blockBytes, inboundPoolMax } = AMPLE;
    const fields = { preEstablishment: NO_REFILL, supply: { inboundPoolMax } };
    await inNetwork(TWO_HOPS, { rateBps: LINK_RATE_BPS, blockBytes, limits, fields }, options, async (bench) => {
      await fillLinks(bench, options);
      await startRelaying(bench);
      const arrived = (): Promise<number> => arrivedBytes(bench);
      const window = { seconds: options.seconds, bytesMax: STOCK_BYTES_PER_SECOND * options.seconds };
      await growthOf(arrived, window); // warm-up
      for (let run = 1; run <= options.runs; run++) {
        const spentBefore = bench.processorSeconds();
        const { megabytes, megabitsPerSecond } = await growthOf(arrived, window);
        options.say(`run ${run}: ${megabitsPerSecond.toFixed(1)} Mb/s`);
        book.note("key established, both directions", "Mb/s", megabitsPerSecond, { atLeast: 20 });
        const spent = bench.processorSeconds() - spentBefore;
        book.note("processor time of the three daemons", "ms/MB", (1000 * spent) / megabytes);
      }
      bench.noteMemory(book);
    });
  },
};

/** Until there is enough for all runs; then the fibres are cut, so that relaying is all that the daemons do. */
async function fillLinks({ network }: BenchNetwork, { runs, seconds, say }: BenchOptions): Promise<void> {
  const wantedBytes = (STOCK_BYTES_PER_SECOND / 2) * seconds * (runs + 2);
  say(`fills each direction of the two links with ${Math.round(wantedBytes / 1e6)} MB`);
  const isFilled = async (): Promise<boolean> => {
    const { links } = await network.node("hub").status();
    return links.every(({ stockBytes }) => Math.min(stockBytes.outbound, stockBytes.inbound) >= wantedBytes);
  };
  await until("the links are filled", isFilled, { seconds: FILL_SECONDS_MAX });
  for (const [a, b] of TWO_HOPS.links) await network.cause("cut", `${a}--${b}`);
}

/** The daemons end in order, and start again with a configuration that wants the pools full. */
async function startRelaying({ network }: BenchNetwork): Promise<void> {
  const { nodes } = TWO_HOPS;
  for (const id of nodes) await network.node(id).process.end("SIGTERM");
  for (const id of nodes) {
    const { configFile } = network.node(id);
    const fields = parse(readFileSync(configFile, "utf8")) as object;
    writeFileSync(configFile, stringify({ ...fields, preEstablishment: REFILL_ALL }));
    network.node(id).process.start();
  }
  for (const id of nodes) await network.node(id).ready();
}

/** What the two targets have stored. */
async function arrivedBytes({ network }: BenchNetwork): Promise<number> {
  const north = balancesOf(await network.node("north").status(), "inbound/south/default");
  const south = balancesOf(await network.node("south").status(), "inbound/north/default");
  return north.received + south.received;
}
