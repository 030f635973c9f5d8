/**
 * Invariant 1: a pad byte is used once. Looks at the wire only: a range of a segment is seen with one frame's bytes, ever; each
 * one-time tag pad signs one message, ever; key that has been under a tag is in no second proposal.
 */
import { createHash } from "node:crypto";
import { readFrame } from "../../../src/link/hop-frame.ts";
import { decodeManifest } from "../../../src/link/manifest.ts";
import { TAG_PAD_BYTES } from "../../../src/link/one-time-tag.ts";
import { linkIdBetween, type NodeId, type QkdKeyId } from "../../../src/model/ids.ts";
import { idsOf } from "../../../src/model/qkd-key-runs.ts";
import type { PeerMessage } from "../../../src/peer/peer-messages.ts";
import type { World } from "../world.ts";

export interface PadReport {
  readonly frames: number;
  readonly tags: number;
}

export function watchEachByteOnce(world: World): PadReport {
  const report = { frames: 0, tags: 0 };
  /** Segment of a direction -> ranges seen, with a digest of the frame. */
  const ranges = new Map<string, { readonly from: number; readonly to: number; readonly digest: string }[]>();
  const statements = new Map<string, string>();
  const headerKeys = new Map<string, string>();
  const agreedKeys = new Map<string, string>();
  const proposals = new Map<string, readonly QkdKeyId[]>();

  const frameSeen = (link: string, from: NodeId, bytes: Uint8Array): void => {
    const frame = readFrame(bytes);
    const digest = digestOf(bytes);
    const to = frame.padOffset + frame.ciphertext.length + TAG_PAD_BYTES;
    const name = `${link} ${frame.segment}`;
    const seen = ranges.get(name) ?? [];
    ranges.set(name, seen);
    const clash = seen.find((range) => range.from < to && frame.padOffset < range.to && range.digest !== digest);
    if (clash !== undefined) {
      world.violate(
        `each-byte-once: ${name} bytes ${frame.padOffset}-${to} were used by ${clash.from}-${clash.to} before (${from})`,
      );
    }
    seen.push({ from: frame.padOffset, to, digest });
    report.frames += 1;
  };

  const tagSeen = (name: string, message: string): void => {
    const before = statements.get(name);
    if (before !== undefined && before !== message) {
      world.violate(`each-byte-once: two messages under the tag pad ${name}`);
    }
    statements.set(name, message);
    report.tags += 1;
  };

  const proposed = (link: string, segment: string, manifest: Uint8Array): void => {
    const ids = [...idsOf(decodeManifest(manifest).runs)];
    proposals.set(`${link} ${segment}`, ids);
    for (const [i, id] of ids.entries()) {
      const name = `${link} ${id}`;
      const header = headerKeys.get(name);
      const agreed = agreedKeys.get(name);
      if ((header ?? segment) !== segment || (agreed ?? segment) !== segment) {
        world.violate(`each-byte-once: QKD-key ${id} of ${link} serves segments ${header ?? agreed} and ${segment}`);
      }
      if (i === 0) headerKeys.set(name, segment); // blocks of a world are longer than a segment's header
    }
  };

  world.network.tap((from, to, message: PeerMessage) => {
    const link = linkIdBetween(from, to);
    switch (message.kind) {
      case "frame":
        return frameSeen(link, from, message.bytes);
      case "proposal":
        proposed(link, message.segment, message.manifest);
        return tagSeen(`${link} ${message.segment} propose`, digestOf(message.manifest, message.tag));
      case "agreement":
        for (const id of proposals.get(`${link} ${message.segment}`) ?? []) {
          agreedKeys.set(`${link} ${id}`, message.segment);
        }
        return tagSeen(`${link} ${message.segment} answer`, digestOf(message.tag));
      case "segment-opening":
        return tagSeen(`${link} ${message.segment} open`, digestOf(message.tag));
      case "segment-witnessed":
        return tagSeen(`${link} ${message.segment} opened`, digestOf(message.tag));
      default:
        return;
    }
  });
  return report;
}

function digestOf(...parts: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
}
