/** Who a certificate stands for: a SPIFFE name, compared whole, never by a part of it. */
import { isQkdError } from "../model/errors.ts";
import { type SaeId, parseSaeId } from "../model/ids.ts";

/**
 * The SAE that a certificate names.
 *
 * @param alternativeNames  as Node.js prints them: `DNS:a.example, URI:spiffe://…`; values with special characters quoted
 * @param spiffeDomain      the domain of this network, in lower case
 * @returns undefined unless there is exactly one URI name and it is `spiffe://<domain>/sae/<percent-encoded id>`
 */
export function saeOfCertificate(alternativeNames: string | undefined, spiffeDomain: string): SaeId | undefined {
  const uris = uriNames(alternativeNames ?? "");
  const start = `spiffe://${spiffeDomain}/sae/`;
  const [uri] = uris;
  if (uris.length !== 1 || uri === undefined || !uri.startsWith(start)) return undefined;
  const encoded = uri.slice(start.length);
  if (/[/?#]/.test(encoded)) return undefined;
  try {
    return parseSaeId(decodeURIComponent(encoded));
  } catch (error) {
    if (error instanceof URIError || isQkdError(error, "CONFIG_INVALID")) return undefined;
    throw error;
  }
}

/**
 * The URI names in a printed list. A value that holds a comma or a quote is printed as a JSON string, so that nobody can
 * smuggle a second name into the first one's text.
 */
function uriNames(alternativeNames: string): readonly string[] {
  const uris: string[] = [];
  const entry = /([A-Za-z0-9 ]+):("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/gy;
  while (entry.lastIndex < alternativeNames.length) {
    const found = entry.exec(alternativeNames);
    if (found === null) return []; // not the form that we know: then it names nobody
    const [, kind = "", value = ""] = found;
    if (kind === "URI") uris.push(value.startsWith('"') ? (JSON.parse(value) as string) : value);
  }
  return uris;
}
