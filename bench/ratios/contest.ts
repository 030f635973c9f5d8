/** Two ways to do the same, in turns and in one process: their ratio holds on a busy machine where either figure alone does not. */
import { medianOf, type BenchOptions, type FigureBook, type Target } from "../scenario.ts";

/** Does the work once. @returns how much was done, in bytes or pieces */
export type Contender = () => number | Promise<number>;

/** So many turns each within a run: a neighbour's burst of work meets both. */
const TURNS = 5;

/**
 * Notes how many times as fast `ours` is, run by run.
 *
 * @param what  says both: "one-time tag, in HMAC-SHA-256s"
 */
export async function contest(
  what: string,
  { ours, theirs }: { readonly ours: Contender; readonly theirs: Contender },
  { runs, seconds, say }: BenchOptions,
  book: FigureBook,
  target?: Target,
): Promise<void> {
  const turnMs = (1000 * seconds) / (2 * TURNS);
  await speed(ours, turnMs); // warm-up
  await speed(theirs, turnMs);
  for (let run = 1; run <= runs; run++) {
    const ratios: number[] = [];
    for (let turn = 0; turn < TURNS; turn++) ratios.push((await speed(ours, turnMs)) / (await speed(theirs, turnMs)));
    const ratio = medianOf(ratios);
    say(`run ${run}: ${what}: ${ratio.toFixed(2)}`);
    book.note(what, "times as fast", ratio, target);
  }
}

/** Per millisecond. */
async function speed(contender: Contender, turnMs: number): Promise<number> {
  const begun = performance.now();
  let done = 0;
  let elapsed = 0;
  for (; elapsed < turnMs; elapsed = performance.now() - begun) {
    const step = contender();
    done += typeof step === "number" ? step : await step;
  }
  return done / elapsed;
}
