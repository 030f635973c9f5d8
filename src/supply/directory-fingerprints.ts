/** The directory of SAEs in two short names: neighbours compare them, and say so when they were told different things. */
import { createHash } from "node:crypto";
import type { DirectoryFingerprints } from "../peer/peer-messages.ts";
import type { AllowedPair, SaeEntry } from "./sae-directory.ts";

/** Whatever order a configuration has, and whichever SAE of a pair it names first. */
export function directoryFingerprints(saes: readonly SaeEntry[], pairs: readonly AllowedPair[]): DirectoryFingerprints {
  const classes = new Map(pairs.map(({ between, keyClass }) => [JSON.stringify([...between].sort()), keyClass]));
  return {
    saes: fingerprintOf(saes.map(({ id, node }) => [id, node])),
    pairs: fingerprintOf([...classes]),
  };
}

/** 16 bytes as hex. Every entry is one JSON text, so that no two lists are written alike. */
function fingerprintOf(entries: readonly (readonly string[])[]): string {
  const lines = entries.map((entry) => JSON.stringify(entry)).sort();
  return createHash("sha256").update(lines.join("\n")).digest("hex").slice(0, 32);
}
