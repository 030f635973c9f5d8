/** A reply whose body is JSON without key in it. */
import type { ApiReply } from "./api-request.ts";

export const JSON_TYPE = "application/json";

export function jsonReply(status: number, message: unknown, headers: Readonly<Record<string, string>> = {}): ApiReply {
  return { status, contentType: JSON_TYPE, headers, body: new TextEncoder().encode(JSON.stringify(message)) };
}
