/** The health tests of a module's key against what its intake costs anyway: sealing it, and joining it. */
import { createCipheriv, randomBytes } from "node:crypto";
import { KeyHealth } from "../../src/link/key-health.ts";
import { createSystemRandom } from "../../src/io/system-random.ts";
import { KeyMaterial } from "../../src/model/key-material.ts";
import type { QkdKeyId } from "../../src/model/ids.ts";
import { BITS_PER_BYTE, SECOND_MS } from "../../src/model/units.ts";
import type { Scenario } from "../scenario.ts";
import { contest } from "./contest.ts";

const BATCH_BYTES = 65_536;
const NONCE = new Uint8Array(12);
/** A fast link. */
const RATE_BPS = 100_000_000;

export const keyHealthRatio: Scenario = {
  name: "key-health",
  about: "health tests of 64 KiB of a module's key, as keys of 32 bytes or as one, against sealing it with AES-256-GCM",
  async measure(options, book) {
    const key = randomBytes(32);
    const seal = (): number => {
      using material = KeyMaterial.copyOf(randomBytes(BATCH_BYTES));
      const cipher = createCipheriv("aes-256-gcm", key, NONCE);
      material.expose((bytes) => cipher.update(bytes));
      cipher.final();
      return BATCH_BYTES;
    };
    for (const keyBytes of [32, 8192]) {
      const health = new KeyHealth(createSystemRandom());
      const batches = Array.from({ length: 16 }, () => KeyMaterial.copyOf(randomBytes(BATCH_BYTES)));
      const runs = [{ first: "00" as QkdKeyId, count: BATCH_BYTES / keyBytes, keyBytes }];
      let next = 0;
      const judge = (): number => {
        batches[next++ % batches.length]!.expose((bytes) => health.judge(bytes, runs));
        return BATCH_BYTES;
      };
      await contest(
        `health tests of ${keyBytes}-byte keys against copying and sealing`,
        { ours: judge, theirs: seal },
        options,
        book,
      );
      const begun = performance.now();
      let judged = 0;
      while (performance.now() - begun < SECOND_MS / 2) judged += judge();
      const bytesPerMs = judged / (performance.now() - begun);
      const share = RATE_BPS / BITS_PER_BYTE / SECOND_MS / bytesPerMs;
      book.note(`one core, for the health of ${keyBytes}-byte keys at 100 Mb/s`, "of 1", share);
    }
  },
};
