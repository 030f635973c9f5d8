/** Keys for initiators: `enc_keys` at one daemon, over connections that stay open, mutual TLS on each. */
import { measureSupply } from "../supply-measurement.ts";
import type { Scenario } from "../scenario.ts";

export const encKeys: Scenario = {
  name: "enc-keys",
  about: "SAEs of one node ask for one key of 256 bits a request",
  measure: (options, book) => measureSupply({ work: "enc", perSecond: 2000, delay: "enc" }, options, book),
};
