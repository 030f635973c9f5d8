/** Why a request is refused before any key is looked at: found by the parsers, put into words by the replies. */

/** Values of any JSON type under one name each (the `details` of ETSI GS QKD 014 V1.1.1, clause 6.5). */
export type ErrorDetails = readonly Readonly<Record<string, unknown>>[];

export type RequestProblem =
  | { readonly kind: "no-such-path" }
  | { readonly kind: "wrong-method"; readonly allowed: readonly string[] }
  | { readonly kind: "wrong-content-type" }
  | { readonly kind: "too-many"; readonly retryAfterMs: number }
  | { readonly kind: "malformed"; readonly sentence: string; readonly details?: ErrorDetails }
  | { readonly kind: "size-not-in-bytes"; readonly details: ErrorDetails }
  | { readonly kind: "extension-unsupported"; readonly details: ErrorDetails };

export class RefusedRequest extends Error {
  override readonly name = "RefusedRequest";
  readonly problem: RequestProblem;

  constructor(problem: RequestProblem) {
    super(problem.kind);
    this.problem = problem;
  }
}

/** @throws RefusedRequest always; a function of type `never`, so that the compiler knows */
export function refuseMalformed(sentence: string, details?: ErrorDetails): never {
  throw new RefusedRequest({ kind: "malformed", sentence, ...(details === undefined ? {} : { details }) });
}
