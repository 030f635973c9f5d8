/** The demand that strategies are compared under: who asks whom for a key, and when. Drawn once, from a seed, for all of them. */
import type { SeededRandom } from "../fakes/seeded-random.ts";

export interface Arrival {
  readonly atMs: number;
  /** Places of the two nodes in the ring. */
  readonly from: number;
  readonly to: number;
  readonly count: number;
  readonly sizeBits: number;
}

export interface DemandLaw {
  readonly about: string;
  readonly isBursty: boolean;
  /** How many keys of which size a request asks for. */
  readonly wish: (random: SeededRandom) => Pick<Arrival, "count" | "sizeBits">;
}

const ONE_KEY = { count: 1, sizeBits: 256 } as const;
const ON_MS = 2_000;
const OFF_MS = 8_000;
/** On for a fifth of the time, at five times the mean. */
const PEAK = (ON_MS + OFF_MS) / ON_MS;

export const BURSTS: DemandLaw = {
  about: "single 256-bit keys, each pair in bursts: on 2 s, off 8 s (exponential), at 5 times its mean",
  isBursty: true,
  wish: () => ONE_KEY,
};
export const POISSON: DemandLaw = {
  about: "single 256-bit keys, each pair at random moments",
  isBursty: false,
  wish: () => ONE_KEY,
};
export const SIZES: DemandLaw = {
  about: "bursts as before, of requests for 1, 2 or 8 keys of 128 to 4,096 bits",
  isBursty: true,
  wish: (random) => ({ count: random.pick([1, 1, 1, 2, 8]), sizeBits: random.pick([128, 256, 256, 256, 512, 4096]) }),
};

/**
 * @param perSecond  requests of all pairs together, in the mean; the pairs' shares follow Zipf's law, in an order drawn anew for
 *                   each seed
 */
export function drawDemand(
  law: DemandLaw,
  { nodes, perSecond, durationMs }: { readonly nodes: number; readonly perSecond: number; readonly durationMs: number },
  random: SeededRandom,
): readonly Arrival[] {
  const places = Array.from({ length: nodes }, (_, place) => place);
  const pairs = places.flatMap((from) => places.filter((to) => to !== from).map((to) => ({ from, to })));
  const shuffled = shuffle(pairs, random.fork("shares"));
  const harmonic = shuffled.reduce((sum, _, rank) => sum + 1 / (rank + 1), 0);
  const arrivals = shuffled.flatMap((pair, rank) => {
    const luck = random.fork(`pair ${pair.from} ${pair.to}`);
    const meanPerSecond = perSecond / (rank + 1) / harmonic;
    const moments = law.isBursty
      ? bursts(meanPerSecond, durationMs, luck)
      : poisson(meanPerSecond, 0, durationMs, luck);
    return moments.map((atMs) => ({ atMs, ...pair, ...law.wish(luck) }));
  });
  return arrivals.sort((one, other) => one.atMs - other.atMs);
}

function poisson(perSecond: number, fromMs: number, toMs: number, luck: SeededRandom): number[] {
  const moments: number[] = [];
  for (let at = fromMs + wait(1000 / perSecond, luck); at < toMs; at += wait(1000 / perSecond, luck)) moments.push(at);
  return moments;
}

function bursts(meanPerSecond: number, durationMs: number, luck: SeededRandom): number[] {
  const moments: number[] = [];
  let isOn = luck.chance(ON_MS / (ON_MS + OFF_MS));
  for (let at = 0; at < durationMs; isOn = !isOn) {
    const until = Math.min(durationMs, at + wait(isOn ? ON_MS : OFF_MS, luck));
    if (isOn) moments.push(...poisson(PEAK * meanPerSecond, at, until, luck));
    at = until;
  }
  return moments;
}

const wait = (meanMs: number, luck: SeededRandom): number => -meanMs * Math.log(1 - luck.fraction());

function shuffle<Item>(items: readonly Item[], luck: SeededRandom): Item[] {
  const left = [...items];
  return items.map(() => left.splice(luck.below(left.length), 1)[0]!);
}
