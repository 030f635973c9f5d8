/** What can go wrong, as codes that programs may match; sentences are for people and may change. */

export type ErrorCode =
  | "CONFIG_INVALID" // a field of the configuration; facts name it
  | "DEVICE_LOST" // a QKD module does not answer, or its line hung up
  | "PEER_UNREACHABLE" // no session with the other node
  | "PEER_REFUSED" // the other node answered no
  | "VERSION_MISMATCH" // two ends speak different versions of a protocol or format
  | "KEY_SHORTAGE" // too little stock; nothing was spent
  | "KEY_UNKNOWN" // no such key, or it is spent or expired
  | "KEY_FOREIGN" // the key exists and belongs to another SAE pair
  | "SUPPLY_STOPPED" // the operator wants no key supplied now; nothing was spent
  | "SAE_UNKNOWN" // no such SAE in the directory
  | "SAE_NOT_ALLOWED" // the pair may not share keys
  | "REQUEST_INVALID" // a request that no state of ours could satisfy
  | "STORE_FAILED" // a write failed; the process must end
  | "STORE_LOCKED" // another process has the store open
  | "STORE_DAMAGED" // what is on disk does not verify
  | "PORT_IN_USE" // a listening address is taken
  | "DEADLINE" // the time allowed is over
  | "CANCELLED"; // the scope closed

/** Facts that may be shown to anyone who sees the error; never key material. */
export type ErrorFacts = Readonly<Record<string, string | number | boolean | readonly string[]>>;

export class QkdError extends Error {
  readonly code: ErrorCode;
  readonly facts: ErrorFacts;

  constructor(code: ErrorCode, sentence: string, facts: ErrorFacts = {}, cause?: unknown) {
    super(sentence, cause === undefined ? undefined : { cause });
    this.name = "QkdError";
    this.code = code;
    this.facts = facts;
  }
}

export function isQkdError(error: unknown, ...codes: readonly ErrorCode[]): error is QkdError {
  return error instanceof QkdError && (codes.length === 0 || codes.includes(error.code));
}

/** One sentence for a log line, from whatever was thrown. */
export function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
