/** Lines for a second terminal: a key at one node, and the same key at another. */
import type { DemoNode, DemoPlan } from "./demo-plan.ts";

/** Two lines for sh with curl and sed, in order; they work in any folder. */
export function curlLines({ apart: [first, last] }: DemoPlan): readonly [enc: string, dec: string] {
  const curl = (node: DemoNode, path: string): string =>
    `curl -sS -K ${quoted(node.curlFile)} "${node.etsi014Url}/api/v1/keys/${path}"`;
  const keyId = `$(echo "$K" | sed 's/.*"key_ID":"\\([^"]*\\)".*/\\1/')`;
  return [
    `K=$(${curl(first, `${last.sae}/enc_keys`)}); echo "$K"`,
    `${curl(last, `${first.sae}/dec_keys?key_ID=${keyId}`)}; echo`,
  ];
}

/** What a file for `curl -K` says of whom to trust, and as whom to come. */
export function curlOptions(options: Readonly<Record<string, string>>): string {
  const inQuotes = (text: string): string => `"${text.replaceAll(/["\\]/g, "\\$&")}"`;
  return Object.entries(options)
    .map(([name, value]) => `${name} = ${inQuotes(value)}\n`)
    .join("");
}

/** For sh, whatever is in it. */
export function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
