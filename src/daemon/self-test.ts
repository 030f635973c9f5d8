/** Known answers of what the safety of keys stands on: a machine that computes them wrong must not begin. */
import { createCipheriv, createHmac } from "node:crypto";

import type { oneTimeTag } from "../link/one-time-tag.ts";
import { assert } from "../model/assert.ts";
import type { Random } from "../runtime/random.ts";

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));
const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

export interface SelfTestParts {
  readonly tag: typeof oneTimeTag;
  readonly random: Random;
}

/**
 * Takes about a millisecond.
 *
 * @throws BrokenInvariant  naming the answer that was wrong
 */
export function runSelfTests({ tag, random }: SelfTestParts): void {
  const isRight = (found: Uint8Array, expected: string): boolean => Buffer.from(found).equals(bytes(expected));
  // RFC 8439, section 2.5.2
  const [r, s] = [bytes("85d6be7857556d337f4452fe42d506a8"), bytes("0103808afb0db2fd4abff6af4149f51b")];
  const tagged = tag(r, s, [ascii("Cryptographic Forum "), ascii("Research Group")]);
  mustHold(isRight(tagged, "a8061dc1305136c6c22b8baf0c0127a9"), "the one-time tag (RFC 8439, 2.5.2)");
  mustHold(isRight(sealed(), `${SEALED_ZEROES}${TAG_OF_ZEROES}`), "AES-256-GCM (NIST, test case 14)");
  // RFC 4231, test case 2
  const mac = createHmac("sha256", ascii("Jefe")).update(ascii("what do ya want for nothing?")).digest();
  const expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
  mustHold(isRight(mac, expected), "HMAC-SHA-256 (RFC 4231, test case 2)");
  const [one, other] = [new Uint8Array(32), new Uint8Array(32)];
  random.fill(one);
  random.fill(other);
  mustHold(Buffer.compare(one, other) !== 0, "the random generator, which gave the same 32 bytes twice");
}

const SEALED_ZEROES = "cea7403d4d606b6e074ec5d3baf39d18";
const TAG_OF_ZEROES = "d0d1c8a799996bf0265b98b5d48ab919";

function sealed(): Uint8Array {
  const cipher = createCipheriv("aes-256-gcm", new Uint8Array(32), new Uint8Array(12));
  return Buffer.concat([cipher.update(new Uint8Array(16)), cipher.final(), cipher.getAuthTag()]);
}

function mustHold(holds: boolean, what: string): void {
  assert(holds, `self-test failed: ${what}; this machine, or this build of Node.js, cannot be trusted with key`);
}
