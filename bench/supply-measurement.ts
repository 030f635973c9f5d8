/** What both scenarios of supply do: fill the pools, then a window as fast as answers come, and one at a constant rate. */
import type { LoadResult, Step } from "./load/load-protocol.ts";
import { AMPLE, inNetwork, NEIGHBOURS, type BenchNetwork } from "./bench-network.ts";
import type { BenchOptions, FigureBook } from "./scenario.ts";

const LANES = 16;
const LINK_RATE_BPS = 40_000_000;
/** The modules pause when the link has so much: intake is measured elsewhere. */
const LINK_STOCK_MAX = "16MiB";
/** More than any daemon has supplied: so much stock per second of a window. */
const KEYS_PER_SECOND_MAX = 12_000;
const FILL_SECONDS_MAX = 180;

export interface SupplyWork {
  readonly work: "enc" | "pair";
  /** Of the window at a constant rate, and the target of the other. */
  readonly perSecond: number;
  /** Which delay has the target. */
  readonly delay: Step;
}

export async function measureSupply(work: SupplyWork, options: BenchOptions, book: FigureBook): Promise<void> {
  const windows = 2 * options.runs + 2;
  const highKeys = Math.ceil(KEYS_PER_SECOND_MAX * options.seconds * (windows / 2)) + 4096;
  // Refilled behind the requests, as in service: from the first segment on that is used up.
  const lowKeys = Math.floor(0.98 * highKeys);
  const preEstablishment = { strategy: "static-watermark", lowKeys, highKeys };
  const { blockBytes, inboundPoolMax } = AMPLE;
  const limits = { ...AMPLE.limits, stockMax: LINK_STOCK_MAX };
  const fields = { preEstablishment, supply: { inboundPoolMax } };
  // one SAE asks as fast as answers come
  const perSae = { requestsPerSecondMax: 1_000_000, requestsAtOnceMax: 1_024 };
  const network = { rateBps: LINK_RATE_BPS, blockBytes, limits, fields, perSae };
  await inNetwork(NEIGHBOURS, network, options, async (bench) => {
    options.say(`fills the pools with ${highKeys} keys each`);
    await bench.network.filled(undefined, FILL_SECONDS_MAX);
    await bench.atRest();
    const load = bench.load(work.work, ["sae-north", "sae-hub"], LANES);
    const { seconds, runs } = options;
    await load.run({ seconds, perSecond: work.perSecond }); // warm-up
    for (let run = 1; run <= runs; run++) {
      const [paced, cost] = await costOf(bench, () => load.run({ seconds, perSecond: work.perSecond }));
      options.say(`run ${run} at ${work.perSecond}/s: ${sentenceOf(paced, work.delay)}`);
      notePaced(book, work, paced, cost);
    }
    bench.noteMemory(book); // the target is that of a daemon which does what is asked of it
    for (let run = 1; run <= runs; run++) {
      const [fast, cost] = await costOf(bench, () => load.run({ seconds }));
      options.say(`run ${run}: ${sentenceOf(fast)}`);
      noteFast(book, work, fast, cost);
    }
    bench.noteMemoryBeyond(book, "as fast as answers come");
  });
}

function noteFast(book: FigureBook, { work, perSecond }: SupplyWork, result: LoadResult, cost: number): void {
  const unit = work === "pair" ? "pairs/s" : "keys/s";
  book.note("as fast as answers come", unit, result.done / result.seconds, { atLeast: perSecond });
  book.note("processor time of the daemons, each", "us", (1e6 * cost) / result.done);
  book.note("processor time of the load, each", "us", (1e6 * result.processorSeconds) / result.done);
}

function notePaced(book: FigureBook, { perSecond, delay, work }: SupplyWork, result: LoadResult, cost: number): void {
  const at = `at ${perSecond}/s`;
  const steps: readonly Step[] = work === "pair" ? ["enc", "dec", "pair"] : ["enc"];
  for (const step of steps) {
    const { p50, p99, p999 } = result.delays[step] ?? { p50: Number.NaN, p99: Number.NaN, p999: Number.NaN };
    book.note(`${at}: ${step}, p50`, "ms", p50);
    book.note(`${at}: ${step}, p99`, "ms", p99, step === delay ? { atMost: 10 } : undefined);
    book.note(`${at}: ${step}, p99.9`, "ms", p999);
  }
  book.note(`${at}: processor time of the daemons, each`, "us", (1e6 * cost) / result.done);
  book.note(`${at}: not answered with a key`, "requests", failuresIn(result), { atMost: 0 });
}

/** A result, and the processor time that the daemons spent meanwhile, in seconds. */
async function costOf(bench: BenchNetwork, run: () => Promise<LoadResult>): Promise<readonly [LoadResult, number]> {
  const before = bench.processorSeconds();
  const result = await run();
  return [result, bench.processorSeconds() - before];
}

const failuresIn = ({ failures }: LoadResult): number => Object.values(failures).reduce((sum, count) => sum + count, 0);

function sentenceOf(result: LoadResult, step?: Step): string {
  const failures = failuresIn(result) === 0 ? "" : `, failures ${JSON.stringify(result.failures)}`;
  const delays = step === undefined ? undefined : result.delays[step];
  if (delays === undefined) return `${Math.round(result.done / result.seconds)}/s${failures}`;
  return `p50 ${delays.p50.toFixed(1)} ms, p99 ${delays.p99.toFixed(1)} ms${failures}`;
}
