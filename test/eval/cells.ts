/** The conditions under which strategies are compared: a demand, and links with a rate and a delay. */
import { BURSTS, POISSON, SIZES, type DemandLaw } from "./demand.ts";

export interface Cell {
  readonly name: string;
  readonly about: string;
  readonly law: DemandLaw;
  /** Requests of all pairs together. */
  readonly perSecond: number;
  /** Secret key rate of each link. */
  readonly rateBps: number;
  /** Of each message between neighbours. */
  readonly latencyMs: readonly [min: number, max: number];
  /** Before there is any demand: slow links need time to share their first key. */
  readonly fillSeconds: number;
  /** Of demand before anything is counted: estimates have to be made of something. */
  readonly warmSeconds: number;
  /** Strategies that are looked at; all where there is no list. */
  readonly contestants?: readonly string[];
}

const AMPLE = { rateBps: 400_000, latencyMs: [5, 20], fillSeconds: 20, warmSeconds: 15 } as const;

const FEW = ["minimal-buffer", "static-8", "static-32"];
/** A request may ask for as much as 128 keys of 256 bits. */
const LARGE = ["minimal-buffer", "static-32", "static-128", "static-256"];

export const cells: readonly Cell[] = [
  { name: "bursts", about: "ample links, messages of 5 to 20 ms", law: BURSTS, perSecond: 80, ...AMPLE },
  {
    name: "poisson",
    about: "ample links, messages of 5 to 20 ms",
    law: POISSON,
    perSecond: 80,
    ...AMPLE,
    contestants: FEW,
  },
  {
    name: "sizes",
    about: "ample links, messages of 5 to 20 ms",
    law: SIZES,
    perSecond: 20,
    ...AMPLE,
    contestants: LARGE,
  },
  {
    name: "scarce",
    about: "links of 5 kb/s, which the demand nearly uses up, messages of 0.5 to 8 ms",
    law: BURSTS,
    perSecond: 40,
    rateBps: 5_000,
    latencyMs: [0.5, 8],
    fillSeconds: 60,
    warmSeconds: 15,
  },
];
