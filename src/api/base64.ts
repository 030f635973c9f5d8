/** Key as base64 without a string: a JavaScript string cannot be erased, bytes can. */

const ALPHABET = new TextEncoder().encode("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
const PADDING = 0x3d; // =

/** Characters that `lengthBytes` take, padding included. */
export const base64Length = (lengthBytes: number): number => 4 * Math.ceil(lengthBytes / 3);

/**
 * Writes `bytes` into `into` from `at` on, with padding (RFC 4648, clause 4).
 *
 * @returns the place after the last character written
 */
export function writeBase64(bytes: Uint8Array, into: Uint8Array, at: number): number {
  const whole = bytes.length - (bytes.length % 3);
  let place = at;
  for (let i = 0; i < whole; i += 3) {
    const three = (bytes[i]! << 16) | (bytes[i + 1]! << 8) | bytes[i + 2]!;
    into[place] = ALPHABET[three >> 18]!;
    into[place + 1] = ALPHABET[(three >> 12) & 63]!;
    into[place + 2] = ALPHABET[(three >> 6) & 63]!;
    into[place + 3] = ALPHABET[three & 63]!;
    place += 4;
  }
  if (whole === bytes.length) return place;
  const two = bytes.length - whole === 2;
  const rest = (bytes[whole]! << 16) | (two ? bytes[whole + 1]! << 8 : 0);
  into[place] = ALPHABET[rest >> 18]!;
  into[place + 1] = ALPHABET[(rest >> 12) & 63]!;
  into[place + 2] = two ? ALPHABET[(rest >> 6) & 63]! : PADDING;
  into[place + 3] = PADDING;
  return place + 4;
}
