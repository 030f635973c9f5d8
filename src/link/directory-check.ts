/**
 * Compares what the two ends of a link were told about SAEs. The link works all the same: each node goes by its own
 * configuration. But keys may then wait for an SAE that asks elsewhere, so it is shown until both agree.
 */
import type { DirectoryFingerprints, Hello } from "../peer/peer-messages.ts";
import type { LinkParts } from "./link-parts.ts";

const SECTIONS = [
  { section: "saes", about: "which SAE lives at which node" },
  { section: "pairs", about: "which pairs of SAEs may share keys, and in which class" },
] as const;

export function compareDirectories(parts: LinkParts, own: DirectoryFingerprints, { directory }: Hello): void {
  const { link, self, neighbour, log, troubles, metrics } = parts;
  for (const { section, about } of SECTIONS) {
    const differs = directory[section] !== "" && directory[section] !== own[section];
    metrics.directoryDiffers.set({ link, section }, differs ? 1 : 0);
    if (!differs) {
      troubles.clear(section);
      continue;
    }
    const sentence = `${neighbour} was told otherwise ${about}: compare "${section}" in the configurations of ${self} and ${neighbour}`;
    troubles.lasts(section, sentence);
    log.warn("directories differ", { section, remedy: sentence });
  }
}
