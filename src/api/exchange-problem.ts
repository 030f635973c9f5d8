/** What can be wrong with a request before anybody reads its meaning: each face answers it in its own words. */
import type { ApiReply } from "./api-request.ts";

export type ExchangeProblem =
  | { readonly kind: "unidentified" } // the certificate names no SAE, or several
  | { readonly kind: "body-too-large"; readonly bodyBytesMax: number };

export type RefuseExchange = (problem: ExchangeProblem) => ApiReply;
