/** An HTTP exchange without HTTP: what the faces towards SAEs and operators are written against. */
import type { SaeId } from "../model/ids.ts";

export interface ApiRequest {
  readonly method: string;
  /** Path without the query, still percent-encoded. */
  readonly path: string;
  /** Query without the "?", still percent-encoded; empty when there is none. */
  readonly query: string;
  readonly contentType: string | undefined;
  readonly body: Uint8Array;
}

/** A request whose sender is proven by its certificate. */
export interface SaeRequest extends ApiRequest {
  readonly caller: SaeId;
}

export interface ApiReply {
  readonly status: number;
  readonly contentType: string;
  readonly headers: Readonly<Record<string, string>>;
  /** May hold key in base64: erased by `erase` when it is on the wire. */
  readonly body: Uint8Array;
  /** Called once, when the body was written or cannot be written any more. */
  erase?(): void;
}
