/** Asks a node's operator port for its status, as `qkdctl` and the demo do. */
import type { NodeStatus } from "../api/operator/node-status.ts";

/**
 * @param url  of the operator port
 * @returns the status, or a sentence that says why there is none
 */
export async function fetchStatus(url: URL, answerMsMax: number): Promise<NodeStatus | string> {
  const place = new URL("status", url.href.endsWith("/") ? url : `${url.href}/`);
  try {
    const response = await fetch(place, { signal: AbortSignal.timeout(answerMsMax) });
    if (!response.ok) return `${place} answers ${response.status}: is this the operator port of a qkdnd?`;
    const answer = (await response.json()) as Partial<NodeStatus> | null;
    if (typeof answer?.node !== "string" || answer.health === undefined) {
      return `${place} answers, and it is no status of a qkdnd`;
    }
    return answer as NodeStatus;
  } catch (error) {
    if (error instanceof SyntaxError) return `${place} answers, and it is no status of a qkdnd`;
    const reason = reasonOf(error, answerMsMax);
    return `no answer from ${place}: ${reason}; is qkdnd running, and is this its operator port?`;
  }
}

/** The system's code where there is one: "ECONNREFUSED" says more than "fetch failed". */
function reasonOf(error: unknown, answerMsMax: number): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "TimeoutError") return `nothing within ${answerMsMax / 1000} s`;
  const code = (error.cause as NodeJS.ErrnoException | undefined)?.code;
  return code ?? error.message;
}
