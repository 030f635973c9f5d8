/** Chance as a node sees it. */

export interface Random {
  /** Fills `bytes` from the operating system's generator. For data keys, ciphertexts to be drawn, names. */
  fill(bytes: Uint8Array<ArrayBuffer>): void;
  /** A number in [0, 1), for jitter and sampling; never for secrets. */
  fraction(): number;
}

/** `length` random bytes as hex: a name, not a secret. */
export function randomName(random: Random, lengthBytes: number): string {
  const bytes = new Uint8Array(new ArrayBuffer(lengthBytes));
  random.fill(bytes);
  let hex = "";
  for (const byte of bytes) hex += byte.toString(16).padStart(2, "0");
  return hex;
}
