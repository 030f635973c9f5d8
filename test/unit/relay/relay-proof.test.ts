import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { relayProof, relayProofVerifies } from "../../../src/relay/relay-proof.ts";
import { createSeededRandom } from "../../fakes/seeded-random.ts";

const payload = new Uint8Array(new ArrayBuffer(128));
createSeededRandom("proof").fill(payload);
const plan = new TextEncoder().encode("who relays what to whom");

describe("the destination's proof of a relay", () => {
  const proof = relayProof(plan, payload);

  it("is the same bytes whenever it is made: it may be repeated", () => {
    assert.deepEqual(relayProof(plan, payload), proof);
    assert.ok(relayProofVerifies(plan, payload, proof));
  });

  it("fails for any bit of plan, payload, its pad or itself that is another", () => {
    for (const [bytes, from, verifies] of [
      [plan, 0, (changed: Uint8Array) => relayProofVerifies(changed, payload, proof)],
      [payload, 16, (changed: Uint8Array) => relayProofVerifies(plan, changed, proof)],
      [proof, 0, (changed: Uint8Array) => relayProofVerifies(plan, payload, changed)],
    ] as const) {
      for (let bit = 8 * from; bit < 8 * bytes.length; bit++) {
        const changed = bytes.slice();
        changed[bit >> 3]! ^= 1 << (bit & 7);
        assert.ok(!verifies(changed), `bit ${bit}`);
      }
    }
  });

  it("does not let plan and payload run into each other", () => {
    const body = payload.subarray(32);
    const shifted = new Uint8Array([...payload.subarray(0, 32), ...body.subarray(1)]);
    assert.ok(!relayProofVerifies(new Uint8Array([...plan, body[0]!]), shifted, proof));
  });
});
