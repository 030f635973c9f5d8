/** `npm run sim`: one world, or many, from the command line. */
import { parseArgs } from "node:util";
import { POLICY_DEFAULT } from "../../src/node/config.ts";
import { strategies } from "../../src/pre-establishment/strategies/index.ts";
import type { FaultLevel } from "./faults.ts";
import { runWorld, type RunOptions, type Verdict } from "./run-world.ts";
import { swarmWorld } from "./swarm.ts";
import { sabotages, type SabotageName } from "./sabotage.ts";

const HELP = `npm run sim -- [options]    whole nodes in virtual time; the same seed gives the same run

  --seed N          the world's luck (default 1)
  --seeds N         run N worlds, from --seed on
  --nodes N         3 to 30 (default 3)          --shape chain|ring   (default chain)
  --seconds N       under load and faults, virtual (default 40)
  --faults none|light|heavy|hostile              (default light; hostile: lines that lie, disks that fail, clocks that jump)
  --rate BPS        secret key rate of each link (default 400000)
  --strategy NAME   ${[...strategies.keys()].join(", ")}
  --sabotage NAME   break a law on purpose: ${Object.keys(sabotages).join(", ")}
  --swarm           draw all other knobs from the seed, as npm run sim:hunt does
  --trace           print every event
  --json            print verdicts as JSON

Exit code: 0 all laws held; 1 a law was broken; 2 this command line is wrong.`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seed: { type: "string", default: "1" },
      seeds: { type: "string", default: "1" },
      nodes: { type: "string", default: "3" },
      shape: { type: "string", default: "chain" },
      seconds: { type: "string", default: "40" },
      faults: { type: "string", default: "light" },
      rate: { type: "string", default: "400000" },
      strategy: { type: "string", default: POLICY_DEFAULT.strategy },
      sabotage: { type: "string" },
      swarm: { type: "boolean", default: false },
      trace: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  let broken = 0;
  const first = Number(values.seed);
  for (let seed = first; seed < first + Number(values.seeds); seed++) {
    const options: RunOptions = {
      seed,
      nodes: Number(values.nodes),
      shape: values.shape as "chain" | "ring",
      seconds: Number(values.seconds),
      faults: values.faults as FaultLevel,
      rateBps: Number(values.rate),
      strategy: values.strategy,
      ...(values.swarm ? swarmWorld(seed) : {}),
      ...(values.sabotage === undefined ? {} : { sabotage: values.sabotage as SabotageName }),
      ...(values.trace ? { sink: (line: string) => console.log(line) } : {}),
    };
    const verdict = await runWorld(options);
    if (verdict.violations.length > 0) broken += 1;
    if (values.json) console.log(JSON.stringify({ seed, ...verdict }));
    else print(options, verdict, values.swarm);
  }
  return broken === 0 ? 0 : 1;
}

function print(options: RunOptions, verdict: Verdict, swarm: boolean): void {
  const { keysIssued, keysFetched, keysLost, shortages, crashes, lies, frames, events, recoveryMs, traceHash } =
    verdict;
  const { seed, nodes, faults } = options;
  console.log(
    `seed ${seed}: ${events} events, ${crashes} crashes, ${lies} lies, ${frames} frames; keys: ${keysIssued} issued, ` +
      `${keysFetched} fetched, ${keysLost} lost, ${shortages} requests short; recovered in ${(recoveryMs / 1000).toFixed(1)} s; ` +
      `trace ${traceHash.slice(0, 16)}`,
  );
  for (const violation of verdict.violations.slice(0, 10)) console.log(`  BROKEN  ${violation}`);
  if (verdict.violations.length > 0) {
    const knobs = swarm ? "--swarm" : `--nodes ${nodes} --faults ${faults}`;
    console.log(`  again:  npm run sim -- --seed ${seed} ${knobs} --trace`);
  }
}

process.exitCode = await main();
