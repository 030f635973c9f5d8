/**
 * The destination's proof that a relay arrived, whole and unchanged: a one-time tag over the plan and all relayed bytes,
 * keyed by the first 32 relayed bytes, which are spent by it.
 *
 * Nobody who lacks the relayed key can make it. It is a constant function of the relay, so it may be repeated as it is.
 */
import { HASH_KEY_BYTES, oneTimeTag, tagVerifies } from "../link/one-time-tag.ts";
import { PROOF_KEY_BYTES } from "./relay-frame.ts";

export function relayProof(plan: Uint8Array, payload: Uint8Array): Uint8Array {
  return oneTimeTag(hashKeyOf(payload), padOf(payload), partsOf(plan, payload));
}

export function relayProofVerifies(plan: Uint8Array, payload: Uint8Array, proof: Uint8Array): boolean {
  return tagVerifies(hashKeyOf(payload), padOf(payload), partsOf(plan, payload), proof);
}

const hashKeyOf = (payload: Uint8Array): Uint8Array => payload.subarray(0, HASH_KEY_BYTES);
const padOf = (payload: Uint8Array): Uint8Array => payload.subarray(HASH_KEY_BYTES, PROOF_KEY_BYTES);

function partsOf(plan: Uint8Array, payload: Uint8Array): readonly Uint8Array[] {
  const lengths = new Uint8Array(8);
  const view = new DataView(lengths.buffer);
  view.setUint32(0, plan.length);
  view.setUint32(4, payload.length);
  return [lengths, plan, payload.subarray(PROOF_KEY_BYTES)];
}
