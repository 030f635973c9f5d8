/** The follower's side of agreement: checks that it holds the same bits, makes that durable, and says so. */
import { bytesOfHex, hexOfBytes } from "../model/byte-layout.ts";
import { isQkdError } from "../model/errors.ts";
import type { QkdKeyId } from "../model/ids.ts";
import { idsOf } from "../model/qkd-key-runs.ts";
import type { Disagreement, Proposal } from "../peer/peer-messages.ts";
import type { Bell } from "../runtime/bell.ts";
import type { LinkParts } from "./link-parts.ts";
import { decodeManifest, type Manifest } from "./manifest.ts";
import { isPlausible } from "./plausible-name.ts";
import { agreedRecord } from "./proposer.ts";
import type { QuarantinedKey } from "./quarantine.ts";
import { answerTag, proposalVerifies, SEGMENT_BYTES_MAX, SEGMENT_HEADER_BYTES } from "./segment-tags.ts";

export class ProposalAnswerer {
  readonly #parts: LinkParts;
  readonly #arrivals: Bell;
  readonly #onStock: () => void;

  /** @param arrivals  rung when new keys are in quarantine */
  constructor(parts: LinkParts, arrivals: Bell, onStock: () => void) {
    this.#parts = parts;
    this.#arrivals = arrivals;
    this.#onStock = onStock;
  }

  async answer(proposal: Proposal, signal: AbortSignal): Promise<void> {
    const { stock } = this.#parts;
    const { segment } = proposal;
    const known = stock.segment(segment);
    if (known !== undefined) {
      this.#parts.send({ kind: "agreement", segment, tag: bytesOfHex(known.tag) });
      return;
    }
    if (segment <= stock.state.decidedUpTo) return this.#refuse(proposal, "stale", []);
    const manifest = this.#manifestOf(proposal);
    const ids = manifest === undefined ? [] : idsWithin(manifest);
    if (manifest === undefined || new Set(ids).size < ids.length) return this.#refuse(proposal, "stale", []);
    await this.#wait(ids, signal);
    const keys = ids.flatMap((id) => stock.quarantine.get(id) ?? []);
    if (keys.length < ids.length) return this.#refuseMissing(proposal, ids, keys);
    using material = await stock.readKeysOrBurn(keys);
    if (material === undefined) {
      return await this.#refuseMissing(
        proposal,
        ids,
        keys.flatMap(({ id }) => stock.quarantine.get(id) ?? []),
      );
    }
    const equal =
      material.lengthBytes === manifest.lengthBytes &&
      material.expose((bytes) => proposalVerifies(bytes, proposal.manifest, proposal.tag));
    if (!equal) return await this.#refuseMismatch(proposal, keys);
    await this.#agree(
      proposal,
      manifest,
      keys,
      material.expose((bytes) => answerTag(bytes, proposal.manifest)),
    );
  }

  async #agree(
    proposal: Proposal,
    manifest: Manifest,
    keys: readonly QuarantinedKey[],
    tag: Uint8Array,
  ): Promise<void> {
    const { stock, metrics, link } = this.#parts;
    const { segment, owner, lengthBytes, expiresAt } = manifest;
    const transaction = stock.vault.transaction();
    const chunks = await stock.takeKeys(transaction, keys);
    const record = { phase: "agreed", owner, lengthBytes, expiresAt, chunks, manifest: "", tag: "" } as const;
    stock.putSegment(transaction, segment, agreedRecord(record, hexOfBytes(tag)));
    stock.setState(transaction, { decidedUpTo: segment });
    await stock.vault.commit(transaction); // durable before it is said: the leader may act on it at once
    this.#parts.send({ kind: "agreement", segment: proposal.segment, tag });
    metrics.segments.add({ link, result: "agreed" });
    this.#onStock();
  }

  #manifestOf(proposal: Proposal): Manifest | undefined {
    const { link, log } = this.#parts;
    try {
      const manifest = decodeManifest(proposal.manifest);
      const fits = manifest.link === link && manifest.segment === proposal.segment;
      if (fits && isPlausible(manifest.segment, this.#parts.clock)) return manifest;
      log.warn("proposal for another link, segment or time", { segment: proposal.segment, named: manifest.segment });
    } catch (failure) {
      if (!isQkdError(failure)) throw failure;
      log.warn("malformed proposal", { segment: proposal.segment, reason: failure.message });
    }
    return undefined; // nothing of ours was under its tag: nothing is burned here
  }

  /** Waits, bounded, for keys that our module has not given yet. */
  async #wait(ids: readonly QkdKeyId[], signal: AbortSignal): Promise<void> {
    const { clock, limits, stock } = this.#parts;
    const deadline = clock.timeout(limits.missingKeyWaitMs, signal);
    while (!deadline.aborted && ids.some((id) => stock.quarantine.get(id) === undefined)) {
      await this.#arrivals.heard(deadline);
    }
  }

  /** Burns what supplied the header, as far as it is here; tells all that is not here, or not any more. */
  async #refuseMissing(proposal: Proposal, ids: readonly QkdKeyId[], keys: readonly QuarantinedKey[]): Promise<void> {
    const header: QuarantinedKey[] = [];
    let bytes = 0;
    for (const key of keys) {
      if (bytes >= SEGMENT_HEADER_BYTES) break;
      header.push(key);
      bytes += key.lengthBytes;
    }
    const present = new Set(keys.map(({ id }) => id));
    const gone = [...ids.filter((id) => !present.has(id)), ...header.map(({ id }) => id)];
    await this.#discard(proposal, header, "burned");
    this.#refuse(proposal, "missing", gone);
  }

  async #refuseMismatch(proposal: Proposal, keys: readonly QuarantinedKey[]): Promise<void> {
    const { metrics, link, troubles } = this.#parts;
    metrics.tagFailures.add({ link });
    troubles.happened(`the ends hold different bits in segment ${proposal.segment}: discarded`);
    await this.#discard(proposal, keys, "discarded");
    this.#refuse(proposal, "mismatch", []);
  }

  async #discard(proposal: Proposal, keys: readonly QuarantinedKey[], to: "burned" | "discarded"): Promise<void> {
    const { stock } = this.#parts;
    const transaction = stock.vault.transaction();
    await stock.discardKeys(transaction, keys, to);
    stock.setState(transaction, { decidedUpTo: proposal.segment });
    await stock.vault.commit(transaction);
  }

  #refuse({ segment }: Proposal, reason: Disagreement["reason"], missing: readonly QkdKeyId[]): void {
    const { metrics, link, log } = this.#parts;
    metrics.segments.add({ link, result: reason });
    log.warn("segment not agreed", { segment, reason, missing: missing.length });
    this.#parts.send({ kind: "disagreement", segment, reason, missing });
  }
}

/** The ids of a manifest; a manifest cannot name more keys than it has bytes. */
function idsWithin(manifest: Manifest): QkdKeyId[] {
  const ids: QkdKeyId[] = [];
  for (const id of idsOf(manifest.runs)) {
    if (ids.length >= SEGMENT_BYTES_MAX) break;
    ids.push(id);
  }
  return ids;
}
