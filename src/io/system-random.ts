/** The operating system's generator, as a node's `Random`. */
import { randomFillSync } from "node:crypto";
import type { Random } from "../runtime/random.ts";

export function createSystemRandom(): Random {
  return {
    fill(bytes) {
      randomFillSync(bytes);
    },
    fraction: () => Math.random(),
  };
}
