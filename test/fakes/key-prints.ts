/** What a test may keep of a batch of keys: which they were, and what tells their bytes apart. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { QkdKeyBatch } from "../../src/driver/qkd-driver.ts";
import type { QkdKeyId } from "../../src/model/ids.ts";
import { idsOf } from "../../src/model/qkd-key-runs.ts";

export interface KeyPrint {
  readonly id: QkdKeyId;
  readonly digest: string;
}

/** One print a key; the material is erased. */
export function printsOf({ runs, material }: QkdKeyBatch): KeyPrint[] {
  using keys = material;
  return keys.expose((bytes) => {
    const prints: KeyPrint[] = [];
    let at = 0;
    for (const run of runs) {
      for (const id of idsOf([run])) {
        prints.push({
          id,
          digest: createHash("sha256")
            .update(bytes.subarray(at, (at += run.keyBytes)))
            .digest("base64"),
        });
      }
    }
    assert.equal(at, bytes.length, "the runs of a batch name all of its bytes");
    return prints;
  });
}
