/** Who a certificate speaks for: `spiffe://<domain>/kme/<node id>` for nodes, one such name and no other. */
import { QkdError, sentenceOf } from "../model/errors.ts";
import { type NodeId, parseNodeId } from "../model/ids.ts";

export const SPIFFE_DOMAIN_DEFAULT = "qkdn";

/** The name that a node's certificate bears. */
export function nodeUri(node: NodeId, spiffeDomain: string): string {
  return `spiffe://${spiffeDomain}/kme/${node}`;
}

/**
 * The node that a certificate speaks for.
 *
 * The certificate must have exactly one URI name in all, as SPIFFE demands of an X.509-SVID: with two, two readers
 * could take it for two different nodes. The name is compared whole; DNS names and the subject mean nothing here.
 *
 * @param subjectAltName  as Node.js prints it: `PeerCertificate.subjectaltname`
 * @throws QkdError PEER_REFUSED  no URI name, several, or one that names no node of `spiffeDomain`
 * @see https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md, section 2
 */
export function nodeOfCertificate(subjectAltName: string | undefined, spiffeDomain: string): NodeId {
  const uris = uriNames(subjectAltName ?? "");
  const [uri] = uris;
  if (uri === undefined) throw refusal("the certificate has no URI name", subjectAltName);
  if (uris.length > 1) throw refusal(`the certificate has ${uris.length} URI names instead of one`, subjectAltName);
  const prefix = `spiffe://${spiffeDomain}/kme/`;
  if (!uri.startsWith(prefix)) throw refusal(`the certificate's name does not begin with ${prefix}`, subjectAltName);
  try {
    return parseNodeId(uri.slice(prefix.length));
  } catch (failure) {
    throw refusal(sentenceOf(failure), subjectAltName);
  }
}

/** One entry, `URI:spiffe://qkdn/kme/a`; a value that could be misread stands in quotes, escaped as in JSON. */
const ENTRY = /([^:,"]+):("(?:[^"\\]|\\.)*"|[^,"]*)(?:, |$)/y;

/** The URI names of a subject alternative name. What does not parse to the end counts as no name at all. */
function uriNames(subjectAltName: string): readonly string[] {
  const uris: string[] = [];
  ENTRY.lastIndex = 0;
  while (ENTRY.lastIndex < subjectAltName.length) {
    const entry = ENTRY.exec(subjectAltName);
    if (entry === null) return [];
    if (entry[1] === "URI") uris.push(entry[2]!);
  }
  return uris;
}

const SHOWN_CHARACTERS_MAX = 200;

function refusal(sentence: string, subjectAltName = ""): QkdError {
  return new QkdError("PEER_REFUSED", sentence, { names: subjectAltName.slice(0, SHOWN_CHARACTERS_MAX) });
}
