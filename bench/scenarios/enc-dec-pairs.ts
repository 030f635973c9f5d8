/** Keys for both sides: `enc_keys` at one daemon, then `dec_keys` with that id at another. */
import { measureSupply } from "../supply-measurement.ts";
import type { Scenario } from "../scenario.ts";

export const encDecPairs: Scenario = {
  name: "enc-dec-pairs",
  about: "SAEs of one node ask for a key, their partners at another node fetch the copy",
  measure: (options, book) => measureSupply({ work: "pair", perSecond: 1000, delay: "pair" }, options, book),
};
