/** Lines for a second terminal: a key at one node, and the same key at another. */
import type { DemoCertificates } from "./demo-certificates.ts";
import type { DemoNode, DemoPlan } from "./demo-plan.ts";

/** Two lines for sh with curl and sed, in order; they work in any folder. */
export function curlLines(plan: DemoPlan, certificates: DemoCertificates): readonly [enc: string, dec: string] {
  const [first, last] = plan.apart;
  const curl = (node: DemoNode, path: string): string => {
    const { cert, key } = certificates.saes.get(node.sae)!;
    const files = `--cacert ${quoted(certificates.saesCa)} --cert ${quoted(cert)} --key ${quoted(key)}`;
    return `curl -sS ${files} "${node.etsi014Url}/api/v1/keys/${path}"`;
  };
  const keyId = `$(echo "$K" | sed 's/.*"key_ID":"\\([^"]*\\)".*/\\1/')`;
  return [
    `K=$(${curl(first, `${last.sae}/enc_keys`)}); echo "$K"`,
    `${curl(last, `${first.sae}/dec_keys?key_ID=${keyId}`)}; echo`,
  ];
}

/** For sh, whatever is in it. */
function quoted(text: string): string {
  return /^[A-Za-z0-9_./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
