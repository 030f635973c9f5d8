/** Our one-time tag, in JavaScript, against what Node.js has in C: it may cost more, but how much? */
import { createCipheriv, createHmac, createSecretKey, randomBytes } from "node:crypto";
import { HASH_KEY_BYTES, oneTimeTag, TAG_PAD_BYTES } from "../../src/link/one-time-tag.ts";
import type { Scenario } from "../scenario.ts";
import { contest } from "./contest.ts";

const FRAME_BYTES = 60_000;
const GCM_NONCE = new Uint8Array(12);

export const oneTimeTagRatio: Scenario = {
  name: "one-time-tag",
  about: "the tag of a relay frame of 60,000 bytes against HMAC-SHA-256 and AES-256-GCM over the same bytes",
  async measure(options, book) {
    const frame = randomBytes(FRAME_BYTES);
    const hashKey = randomBytes(HASH_KEY_BYTES);
    const pad = randomBytes(TAG_PAD_BYTES);
    const secret = createSecretKey(randomBytes(32));
    const ours = (): number => {
      oneTimeTag(hashKey, pad, [frame]);
      return FRAME_BYTES;
    };
    const hmac = (): number => {
      createHmac("sha256", secret).update(frame).digest();
      return FRAME_BYTES;
    };
    const gcm = (): number => {
      const cipher = createCipheriv("aes-256-gcm", secret, GCM_NONCE);
      cipher.update(frame);
      cipher.final();
      cipher.getAuthTag();
      return FRAME_BYTES;
    };
    await contest("one-time tag against HMAC-SHA-256", { ours, theirs: hmac }, options, book);
    await contest("one-time tag against AES-256-GCM", { ours, theirs: gcm }, options, book);
  },
};
