/** One world from seed to verdict: warm up, work under faults, mend, recover, and check every law. */
import { checkNothingLeaks } from "./checkers/nothing-leaks.ts";
import { watchConserved } from "./checkers/conserved.ts";
import { watchEachByteOnce } from "./checkers/each-byte-once.ts";
import { checkRecovers } from "./checkers/recovers.ts";
import { watchSharesApart } from "./checkers/shares-apart.ts";
import { checkTransitBlank } from "./checkers/transit-blank.ts";
import { createFaultPlan, startRollbacks, type FaultLevel } from "./faults.ts";
import { createWorkload } from "./workload.ts";
import { createWorld, type WorldOptions } from "./world.ts";
import { sabotages, type SabotageName } from "./sabotage.ts";

export interface RunOptions extends WorldOptions {
  readonly faults?: FaultLevel;
  /** Virtual time under load and faults. */
  readonly seconds?: number;
  readonly requestsPerSecond?: number;
  /** The node, by its place, whose disk is restored from older copies all the time. */
  readonly restoredNode?: number;
  /** Breaks a law on purpose: the checkers must find it. */
  readonly sabotage?: SabotageName;
}

export interface Verdict {
  readonly violations: readonly string[];
  readonly traceHash: string;
  readonly events: number;
  readonly crashes: number;
  readonly lies: number;
  readonly rollbacks: number;
  readonly keysIssued: number;
  readonly keysFetched: number;
  readonly keysLost: number;
  readonly keysCoveted: number;
  readonly shortages: number;
  readonly frames: number;
  readonly chunksRead: number;
  readonly recoveryMs: number;
  /** Of a sample of the issued keys: those whose shares were seen and add up to them. */
  readonly splitKeysFound: number;
}

export async function runWorld(options: RunOptions): Promise<Verdict> {
  const sabotage = options.sabotage === undefined ? undefined : sabotages[options.sabotage];
  const nodes = sabotage?.nodes ?? options.nodes ?? 3;
  const wrap = sabotage?.wrap ?? options.wrap;
  const changed = { nodes, ...(wrap === undefined ? {} : { wrap }), ...sabotage?.world };
  const world = createWorld({ ...options, ...changed });
  const shares = world.options.split === undefined ? undefined : watchSharesApart(world);
  const pads = watchEachByteOnce(world);
  watchConserved(world);
  const faults = createFaultPlan(world, options.faults ?? "none");
  const workload = createWorkload(world);
  faults.start();
  await world.clock.run(5_000);
  workload.start(options.requestsPerSecond ?? 4);
  const rollbacks =
    options.restoredNode === undefined ? undefined : startRollbacks(world, world.nodes[options.restoredNode]!);
  const half = ((options.seconds ?? 40) * 1_000) / 2;
  await world.clock.run(half);
  await sabotage?.act?.(world, workload);
  await world.clock.run(half);
  workload.stop();
  rollbacks?.stop();
  faults.stop();
  const recoveryMs = await checkRecovers(world);
  await world.clock.run(5_000);
  await sabotage?.before?.(world, workload);
  checkNothingLeaks(world, workload.issued);
  const splitKeysFound = shares?.check(workload.issued) ?? 0;
  const chunksRead = await checkTransitBlank(world, workload.issued);
  const { issued, fetchedCount, lost, shortages } = workload;
  return {
    violations: world.violations,
    traceHash: world.trace.hash(),
    events: world.clock.timersFired + world.network.messagesSent,
    crashes: faults.crashes,
    lies: faults.lies,
    rollbacks: rollbacks?.count ?? 0,
    keysIssued: issued.length,
    keysFetched: fetchedCount,
    keysLost: lost,
    keysCoveted: workload.coveted,
    shortages,
    frames: pads.frames,
    chunksRead,
    recoveryMs,
    splitKeysFound,
  };
}
