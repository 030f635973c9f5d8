/** Invariant 7: no key in any log line or metric. Searched for raw, hex and base64 of every key that was supplied. */
import { sampleOf, type IssuedKey } from "../workload.ts";
import type { World } from "../world.ts";

const KEYS_MAX = 150;

/** Looks through all that nodes wrote for people. @returns the number of keys searched for */
export function checkNothingLeaks(world: World, keys: readonly IssuedKey[]): number {
  const searched = sampleOf(keys, KEYS_MAX).map(({ id, bytes }) => ({ id, forms: formsOf(bytes) }));
  for (const node of world.nodes) {
    const text = node.log.lines.map((line) => JSON.stringify(line)).join("\n") + node.metrics.text();
    for (const { id, forms } of searched) {
      if (forms.some((form) => text.includes(form))) world.violate(`nothing-leaks: ${node.id} wrote key ${id}`);
    }
  }
  return searched.length;
}

/** How key bytes might stand in a text. Base64 of a longer whole may begin at any of three places. */
export function formsOf(bytes: Uint8Array): readonly string[] {
  const buffer = Buffer.from(bytes);
  const shifted = [1, 2].map((skip) => buffer.subarray(skip).toString("base64"));
  const base64 = [buffer.toString("base64"), ...shifted].map((text) => text.replace(/=+$/, "").slice(0, -1));
  return [buffer.toString("hex"), buffer.toString("latin1"), ...base64, ...base64.map((text) => toUrlForm(text))];
}

const toUrlForm = (base64: string): string => base64.replaceAll("+", "-").replaceAll("/", "_");
