/** `npm run sim:hunt`: unlike worlds, one after the other, until the time is over; each that breaks a law is told with its seed. */
import { parseArgs } from "node:util";
import { runWorld } from "./run-world.ts";
import { swarmWorld } from "./swarm.ts";

const HELP = `npm run sim:hunt -- [options]    worlds whose knobs are drawn from their seeds, until the time is over

  --minutes N    stop after this long (default 10)
  --from N       the first seed (default: from the clock, so that no two hunts are alike)
  --json         print each verdict as a line of JSON

A seed that is found stays in test/sim/seeds.json, as {"seed": N, "swarm": true}; again: npm run sim -- --swarm --seed N

Exit code: 0 all laws held; 1 a law was broken; 2 this command line is wrong.`;

const SECONDS_TOLD = 30;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string", default: "10" },
      from: { type: "string" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const minutes = Number(values.minutes);
  const from = values.from === undefined ? Math.floor(Date.now() / 1000) : Number(values.from);
  if (!(minutes > 0) || !Number.isSafeInteger(from)) {
    console.error("--minutes is a number above 0, --from a whole number");
    return 2;
  }
  const end = performance.now() + 60_000 * minutes;
  const total = { worlds: 0, broken: 0, events: 0, crashes: 0, lies: 0, keys: 0 };
  let toldAt = performance.now();
  for (let seed = from; performance.now() < end; seed++) {
    const world = swarmWorld(seed);
    const verdict = await runWorld(world);
    total.worlds += 1;
    total.events += verdict.events;
    total.crashes += verdict.crashes;
    total.lies += verdict.lies;
    total.keys += verdict.keysFetched;
    if (values.json) console.log(JSON.stringify({ ...world, ...verdict }));
    if (verdict.violations.length > 0) {
      total.broken += 1;
      console.log(`seed ${seed}, ${world.faults} faults, ${world.nodes} nodes (${world.shape}):`);
      for (const violation of verdict.violations.slice(0, 5)) console.log(`  BROKEN  ${violation}`);
      console.log(`  again:  npm run sim -- --swarm --seed ${seed} --trace`);
    }
    if (performance.now() - toldAt > 1000 * SECONDS_TOLD && !values.json) {
      toldAt = performance.now();
      console.log(sentenceOf(total));
    }
  }
  if (!values.json) console.log(sentenceOf(total));
  return total.broken === 0 ? 0 : 1;
}

const sentenceOf = (
  total: Readonly<Record<"worlds" | "broken" | "events" | "crashes" | "lies" | "keys", number>>,
): string =>
  `${total.worlds} worlds, ${total.broken} broken: ${total.events} events, ${total.crashes} crashes, ` +
  `${total.lies} lies, ${total.keys} keys fetched`;

process.exitCode = await main();
