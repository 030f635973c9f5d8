/** The follower's side of agreement: checks that it holds the same bits, makes that durable, and says so. */
import { bytesOfHex, hexOfBytes } from "../model/byte-layout.ts";
import { isQkdError } from "../model/errors.ts";
import { IdRanges } from "../model/id-ranges.ts";
import type { QkdKeyId } from "../model/ids.ts";
import { countOf, idAfter, idsOf, type QkdKeyRun } from "../model/qkd-key-runs.ts";
import type { Agreement, Disagreement, Proposal } from "../peer/peer-messages.ts";
import type { Bell } from "../runtime/bell.ts";
import type { Transaction } from "../store/transaction.ts";
import type { KeyMaterial } from "../model/key-material.ts";
import type { LinkParts } from "./link-parts.ts";
import type { ChunkRecord } from "./link-records.ts";
import { decodeManifest, type Manifest } from "./manifest.ts";
import { isPlausible } from "./plausible-name.ts";
import { agreedRecord, endsDiffer } from "./proposer.ts";
import { forgeryBound } from "./one-time-tag.ts";
import { partOf, type KeySpan } from "./quarantine.ts";
import { answerTag, proposalVerifies, SEGMENT_BYTES_MAX, SEGMENT_HEADER_BYTES } from "./segment-tags.ts";

/** Agreed, to become durable together, and to be said after that. */
interface Group {
  readonly transaction: Transaction;
  readonly answers: Agreement[];
}

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

  /**
   * Answers proposals in their order. Those that are agreed at once become durable together, before any is said.
   *
   * Between the first of them and its commit nothing is awaited: another room that saw a segment in memory, and wrote of it
   * first, would have its writes undone by ours.
   */
  async answer(proposals: readonly Proposal[], signal: AbortSignal): Promise<void> {
    let group = this.#newGroup();
    for (const proposal of proposals) {
      if (this.#agreesAtOnce(proposal, group)) continue;
      await this.#say(group);
      group = this.#newGroup();
      await this.#answer(proposal, signal);
    }
    await this.#say(group);
  }

  /** Where all that it names is in memory, as whole chunks, and is the same. */
  #agreesAtOnce(proposal: Proposal, group: Group): boolean {
    const { stock } = this.#parts;
    if (stock.segment(proposal.segment) !== undefined || proposal.segment <= stock.state.decidedUpTo) return false;
    const manifest = this.#manifestOf(proposal);
    const keys = manifest === undefined ? [] : this.#find(manifest.runs);
    if (manifest === undefined || !namesEachOnce(manifest) || countOf(keys) < countOf(manifest.runs)) return false;
    using material = stock.readyKeys(keys);
    const tag = material === undefined ? undefined : this.#answerIfEqual(material, manifest, proposal);
    if (tag === undefined) return false;
    this.#agree(manifest, stock.takeWhole(group.transaction, keys), tag, group);
    return true;
  }

  async #answer(proposal: Proposal, signal: AbortSignal): Promise<void> {
    const { stock } = this.#parts;
    const { segment } = proposal;
    const known = stock.segment(segment);
    if (known !== undefined) {
      this.#parts.send({ kind: "agreement", segment, tag: bytesOfHex(known.tag) });
      return;
    }
    if (segment <= stock.state.decidedUpTo) return this.#refuse(proposal, "stale", []);
    const manifest = this.#manifestOf(proposal);
    if (manifest === undefined || !namesEachOnce(manifest)) return this.#refuse(proposal, "stale", []);
    const { runs } = manifest;
    await this.#wait(runs, signal);
    const keys = this.#find(runs);
    if (countOf(keys) < countOf(runs)) return this.#refuseMissing(proposal, runs, keys);
    using material = await stock.readKeysOrBurn(keys);
    if (material === undefined) return await this.#refuseMissing(proposal, runs, this.#find(runs));
    const tag = this.#answerIfEqual(material, manifest, proposal);
    if (tag === undefined) return await this.#refuseMismatch(proposal, keys);
    const group = this.#newGroup();
    const chunks = await stock.takeKeys(group.transaction, keys);
    if (chunks === undefined) return await this.#refuseMissing(proposal, runs, this.#find(runs));
    this.#agree(manifest, chunks, tag, group);
    await this.#say(group);
  }

  /** @returns undefined when the ends hold different bits */
  #answerIfEqual(material: KeyMaterial, { lengthBytes }: Manifest, proposal: Proposal): Uint8Array | undefined {
    const { metrics, link } = this.#parts;
    if (material.lengthBytes !== lengthBytes) return undefined;
    metrics.epsilon.add({ link }, forgeryBound(lengthBytes + proposal.manifest.length));
    return material.expose((bytes) =>
      proposalVerifies(bytes, proposal.manifest, proposal.tag) ? answerTag(bytes, proposal.manifest) : undefined,
    );
  }

  #newGroup(): Group {
    return { transaction: this.#parts.stock.vault.transaction(), answers: [] };
  }

  /** In memory at once: `#say` has to be called before anything is awaited. */
  #agree(
    { segment, owner, lengthBytes, expiresAt }: Manifest,
    chunks: readonly ChunkRecord[],
    tag: Uint8Array,
    { transaction, answers }: Group,
  ): void {
    const { stock } = this.#parts;
    const record = { phase: "agreed", owner, lengthBytes, expiresAt, chunks, manifest: "", tag: "" } as const;
    stock.putSegment(transaction, segment, agreedRecord(record, hexOfBytes(tag)));
    stock.setState(transaction, { decidedUpTo: segment });
    answers.push({ kind: "agreement", segment, tag });
  }

  /** Durable before it is said: the leader may act on it at once. */
  async #say({ transaction, answers }: Group): Promise<void> {
    const { stock, metrics, link, guards } = this.#parts;
    if (answers.length === 0) return;
    await stock.vault.commit(transaction);
    for (const answer of answers) {
      this.#parts.send(answer);
      metrics.segments.add({ link, result: "agreed" });
      guards.agreement.good();
    }
    this.#onStock();
  }

  #find(runs: readonly QkdKeyRun[]): KeySpan[] {
    return runs.flatMap((run) => this.#parts.stock.quarantine.find(run));
  }

  #manifestOf(proposal: Proposal): Manifest | undefined {
    const { link, log, clock, troubles, neighbour } = this.#parts;
    try {
      const manifest = decodeManifest(proposal.manifest);
      const fits = manifest.link === link && manifest.segment === proposal.segment;
      if (fits && isPlausible(manifest.segment, clock)) return manifest;
      if (fits) {
        troubles.happened(
          `${neighbour} names segments by a clock more than an hour ahead of ours: compare the wall clocks`,
        );
      }
      log.warn("proposal for another link, segment or time", { segment: proposal.segment, named: manifest.segment });
    } catch (failure) {
      if (!isQkdError(failure)) throw failure;
      log.warn("malformed proposal", { segment: proposal.segment, reason: failure.message });
    }
    return undefined; // nothing of ours was under its tag: nothing is burned here
  }

  /** Waits, bounded, for keys that our module has not given yet. */
  async #wait(runs: readonly QkdKeyRun[], signal: AbortSignal): Promise<void> {
    const { clock, limits } = this.#parts;
    const isHere = (): boolean => countOf(this.#find(runs)) === countOf(runs);
    if (isHere()) return;
    const deadline = clock.timeout(limits.missingKeyWaitMs, signal);
    while (!deadline.aborted && !isHere()) await this.#arrivals.heard(deadline);
  }

  /** Burns what supplied the header, as far as it is here; tells all that is not here, or not any more. */
  async #refuseMissing(proposal: Proposal, runs: readonly QkdKeyRun[], keys: readonly KeySpan[]): Promise<void> {
    const { quarantine } = this.#parts.stock;
    const gone = runs.flatMap((run) => quarantine.gaps(run));
    const header: KeySpan[] = [];
    let bytes = 0;
    for (const span of keys) {
      if (bytes >= SEGMENT_HEADER_BYTES) break;
      const count = Math.min(span.count, Math.ceil((SEGMENT_HEADER_BYTES - bytes) / span.keyBytes));
      header.push(partOf(span, 0, count));
      bytes += count * span.keyBytes;
    }
    await this.#discard(proposal, header, "burned");
    this.#refuse(proposal, "missing", [...idsOf([...gone, ...header])]);
  }

  async #refuseMismatch(proposal: Proposal, keys: readonly KeySpan[]): Promise<void> {
    const { metrics, link } = this.#parts;
    metrics.tagFailures.add({ link });
    endsDiffer(this.#parts, proposal.segment);
    await this.#discard(proposal, keys, "discarded");
    this.#refuse(proposal, "mismatch", []);
  }

  async #discard(proposal: Proposal, keys: readonly KeySpan[], to: "burned" | "discarded"): Promise<void> {
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

/** A manifest cannot name more keys than it has bytes. */
function namesEachOnce({ runs }: Manifest): boolean {
  if (countOf(runs) > SEGMENT_BYTES_MAX) return false;
  const seen = new IdRanges<true>();
  const isRun = ({ first, count }: QkdKeyRun): boolean => count > 0 && idAfter(first, count - 1) !== undefined;
  return runs.every((run) => isRun(run) && seen.add(run, true) === run.count);
}
