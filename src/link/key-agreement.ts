/**
 * How two ends agree on segments: the leader proposes from keys that both have, the follower proves that they are equal.
 *
 * One worker an end does all of it, one step at a time. A step reads what it needs first; from its first change in memory to
 * its commit it awaits nothing, so that no other room writes of a segment before it is written. The leader's and the follower's steps are in files of their own.
 */
import { joinedRuns } from "../model/qkd-key-runs.ts";
import type { Agreement, Disagreement, Inventory, Proposal } from "../peer/peer-messages.ts";
import { Bell } from "../runtime/bell.ts";
import type { MonotonicMs } from "../runtime/clock.ts";
import type { LinkParts } from "./link-parts.ts";
import { ProposalAnswerer } from "./proposal-answerer.ts";
import { Proposer } from "./proposer.ts";
import type { ChunkRecord } from "./link-records.ts";
import { sweepLink } from "./sweep.ts";

export type AgreementMessage = Inventory | Proposal | Agreement | Disagreement;

const INBOX_MAX = 1024;
const INVENTORY_RUNS_MAX = 64;
/** Proposals, or answers, that are worked on together and made durable together. */
const TOGETHER_MAX = 32;
const SWEEP_PERIOD_MS = 5_000;
const IDLE_MS = 1_000;

export class KeyAgreement {
  readonly #parts: LinkParts;
  readonly #leads: boolean;
  readonly #inbox: AgreementMessage[] = [];
  readonly #bell = new Bell();
  readonly #arrivals = new Bell();
  readonly #proposer: Proposer;
  readonly #answerer: ProposalAnswerer;
  #up = false;
  #announced = false;
  #sweepDue: MonotonicMs = 0;

  /**
   * @param demandShare  which part of the link's pad demand is ours, 0 to 1
   * @param onStock      called after each segment that became available
   */
  constructor(parts: LinkParts, demandShare: () => number, onStock: () => void) {
    this.#parts = parts;
    this.#leads = parts.selfEnd === "leader";
    this.#proposer = new Proposer(parts, demandShare, onStock);
    this.#answerer = new ProposalAnswerer(parts, this.#arrivals, onStock);
  }

  /** Works until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (this.#up && !this.#announced) await this.#begin();
      const message = this.#inbox.shift();
      if (message !== undefined) {
        await this.#handle(message, signal);
        continue;
      }
      if (this.#up && this.#leads) {
        this.#proposer.repeat();
        if (await this.#proposer.propose()) continue;
      }
      await this.#sweepWhenDue();
      const cancel = this.#parts.clock.after(IDLE_MS, () => this.#bell.ring());
      await this.#bell.heard(signal);
      cancel();
    }
  }

  /** New keys are in quarantine, durably. */
  keysStored(chunks: readonly ChunkRecord[]): void {
    for (const chunk of chunks) this.#parts.stock.admit(chunk);
    if (this.#up && this.#announced && !this.#leads && !this.#announce(chunks)) this.#announced = false;
    this.#arrivals.ring();
    this.#bell.ring();
  }

  /** @returns false when the neighbour sent more than can be looked at, or what its end does not say */
  receive(message: AgreementMessage): boolean {
    const saysLeader = message.kind === "proposal";
    if (this.#leads === saysLeader || this.#inbox.length >= INBOX_MAX) return false;
    if (message.kind === "inventory" && message.runs.length > INVENTORY_RUNS_MAX) return false;
    this.#inbox.push(message);
    this.#bell.ring();
    return true;
  }

  /** After both hellos. */
  sessionUp(): void {
    this.#up = true;
    this.#announced = false;
    this.#inbox.length = 0;
    this.#proposer.sessionDown();
    this.#bell.ring();
  }

  sessionDown(): void {
    this.#up = false;
    this.#inbox.length = 0;
    this.#arrivals.ring();
  }

  async #begin(): Promise<void> {
    this.#announced = this.#leads || this.#announce([...this.#parts.stock.quarantine.chunks()]);
    // the other end has to tell first what it has
    this.#sweepDue = this.#parts.clock.monotonic() + this.#parts.limits.unmatchedAgeMaxMs;
    if (this.#leads) await this.#proposer.sessionUp();
  }

  async #handle(message: AgreementMessage, signal: AbortSignal): Promise<void> {
    switch (message.kind) {
      case "inventory":
        this.#proposer.inventory(message);
        return this.#parts.clock.sleep(0, signal).catch(() => undefined); // others have their turn in between
      case "agreement":
        return this.#proposer.agreed([message, ...this.#alike("agreement")]);
      case "disagreement":
        return this.#proposer.disagreed(message);
      case "proposal":
        return this.#answerer.answer([message, ...this.#alike("proposal")], signal);
    }
  }

  /** What waits next, as long as it is of one kind. */
  #alike<Kind extends AgreementMessage["kind"]>(kind: Kind): (AgreementMessage & { kind: Kind })[] {
    let count = 0;
    while (count < TOGETHER_MAX - 1 && this.#inbox[count]?.kind === kind) count += 1;
    return this.#inbox.splice(0, count) as (AgreementMessage & { kind: Kind })[];
  }

  #announce(chunks: readonly ChunkRecord[]): boolean {
    const runs = joinedRuns(chunks.flatMap(({ keys }) => keys));
    for (let at = 0; at < runs.length; at += INVENTORY_RUNS_MAX) {
      if (!this.#parts.send({ kind: "inventory", runs: runs.slice(at, at + INVENTORY_RUNS_MAX) })) return false;
    }
    return true;
  }

  async #sweepWhenDue(): Promise<void> {
    const now = this.#parts.clock.monotonic();
    if (!this.#up || now < this.#sweepDue) return;
    this.#sweepDue = now + SWEEP_PERIOD_MS;
    this.#proposer.forgetOldIds();
    await sweepLink(this.#parts, this.#proposer.peerIds); // a follower hears of no inventory: all its old keys go
  }
}
