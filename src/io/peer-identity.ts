/** Who a certificate speaks for: `spiffe://<domain>/kme/<node id>` for nodes, one such name and no other. */
import { X509Certificate } from "node:crypto";
import type { PeerCertificate } from "node:tls";

import { QkdError, sentenceOf } from "../model/errors.ts";
import { type NodeId, parseNodeId } from "../model/ids.ts";
import type { WallMs } from "../runtime/clock.ts";

export const SPIFFE_DOMAIN_DEFAULT = "qkdn";

/** What was seen of the certificate of another node. */
export interface PeerCertificateSeen {
  readonly subject: string;
  readonly notAfter: WallMs;
}

export function certificateSeen({ subject, valid_to: validTo }: PeerCertificate): PeerCertificateSeen {
  return { subject: `CN=${subject.CN}`, notAfter: Date.parse(validTo) };
}

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

/**
 * Checks that a node's own certificate is the node's: otherwise every neighbour would refuse it, and nobody here would
 * know why.
 *
 * @param cert  PEM, the node's certificate first
 * @throws QkdError CONFIG_INVALID  it is no certificate, names another node or none, or its time is over
 */
export function checkOwnCertificate(
  cert: Buffer | string,
  { self, spiffeDomain, now }: { readonly self: NodeId; readonly spiffeDomain: string; readonly now: WallMs },
): { readonly notAfter: WallMs } {
  try {
    const { subjectAltName, validToDate } = new X509Certificate(cert);
    const named = nodeOfCertificate(subjectAltName, spiffeDomain);
    if (named !== self) throw new Error(`it is the certificate of ${named}`);
    if (validToDate.getTime() <= now) throw new Error(`it ended on ${validToDate.toISOString()}`);
    return { notAfter: validToDate.getTime() };
  } catch (failure) {
    const sentence = `${self}'s own certificate cannot be used: ${sentenceOf(failure)}`;
    throw new QkdError("CONFIG_INVALID", sentence, { wanted: nodeUri(self, spiffeDomain) }, failure);
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
