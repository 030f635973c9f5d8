/**
 * How two ends agree on segments: the leader proposes from keys that both have, the follower proves that they are equal.
 *
 * One worker an end does all of it, one step at a time: what is taken out of quarantine is durable before the next step
 * looks. The leader's and the follower's steps are in files of their own.
 */
import { sentenceOf } from "../model/errors.ts";
import type { Agreement, Disagreement, Inventory, Proposal } from "../peer/peer-messages.ts";
import { Bell } from "../runtime/bell.ts";
import type { LinkParts } from "./link-parts.ts";
import { ProposalAnswerer } from "./proposal-answerer.ts";
import { Proposer } from "./proposer.ts";
import { idRunsOf } from "./quarantine.ts";
import type { ChunkRecord } from "./link-records.ts";
import { sweepLink } from "./sweep.ts";

export type AgreementMessage = Inventory | Proposal | Agreement | Disagreement;

const INBOX_MAX = 1024;
const INVENTORY_RUNS_MAX = 1024;
const SWEEP_PERIOD_MS = 5_000;

export interface KeyAgreement {
  /** Works until `signal` aborts. */
  run(signal: AbortSignal): Promise<void>;
  /** New keys are in quarantine, durably. */
  keysStored(chunks: readonly ChunkRecord[]): void;
  /** @returns false when the neighbour sent more than can be looked at: its session should end */
  receive(message: AgreementMessage): boolean;
  /** After both hellos. */
  sessionUp(): void;
  sessionDown(): void;
}

/** @param onStock  called after each segment that became available */
export function createKeyAgreement(parts: LinkParts, demandShare: () => number, onStock: () => void): KeyAgreement {
  const inbox: AgreementMessage[] = [];
  const bell = new Bell();
  const arrivals = new Bell();
  const leads = parts.selfEnd === "leader";
  const proposer = new Proposer(parts, demandShare, onStock);
  const answerer = new ProposalAnswerer(parts, arrivals, onStock);
  let up = false;
  let announced = false;
  let sweepDue = 0;

  const announce = (chunks: readonly ChunkRecord[]): boolean => {
    const runs = idRunsOf(chunks.flatMap(({ keys }) => keys));
    for (let at = 0; at < runs.length; at += INVENTORY_RUNS_MAX) {
      if (!parts.send({ kind: "inventory", runs: runs.slice(at, at + INVENTORY_RUNS_MAX) })) return false;
    }
    return true;
  };

  const handle = async (message: AgreementMessage, signal: AbortSignal): Promise<void> => {
    switch (message.kind) {
      case "inventory":
        return proposer.inventory(message);
      case "agreement":
        return proposer.agreed(message);
      case "disagreement":
        return proposer.disagreed(message);
      case "proposal":
        return answerer.answer(message, signal);
    }
  };

  return {
    async run(signal) {
      while (!signal.aborted) {
        if (up && !announced) {
          announced = leads || announce(chunksInQuarantine(parts));
          sweepDue = parts.clock.monotonic() + parts.limits.unmatchedAgeMaxMs; // the other end has to tell first
          if (leads) await proposer.sessionUp();
        }
        const message = inbox.shift();
        if (message !== undefined) {
          try {
            await handle(message, signal);
          } catch (failure) {
            parts.log.warn("agreement step failed", { step: message.kind, reason: sentenceOf(failure) });
            throw failure;
          }
          continue;
        }
        if (up && leads && (await proposer.propose())) continue;
        const now = parts.clock.monotonic();
        if (up && now >= sweepDue) {
          sweepDue = now + SWEEP_PERIOD_MS;
          await sweepLink(parts, (id) => leads && proposer.peerHas(id));
        }
        const cancel = parts.clock.after(1_000, () => bell.ring());
        await bell.heard(signal);
        cancel();
      }
    },
    keysStored(chunks) {
      for (const chunk of chunks) parts.stock.admit(chunk);
      if (up && announced && !leads && !announce(chunks)) announced = false;
      arrivals.ring();
      bell.ring();
    },
    receive(message) {
      if (leads === (message.kind === "proposal")) return false; // a leader proposes, a follower answers
      if (inbox.length >= INBOX_MAX) return false;
      inbox.push(message);
      bell.ring();
      return true;
    },
    sessionUp() {
      up = true;
      announced = false;
      inbox.length = 0;
      proposer.sessionDown();
      bell.ring();
    },
    sessionDown() {
      up = false;
      inbox.length = 0;
      arrivals.ring();
    },
  };
}

function chunksInQuarantine(parts: LinkParts): ChunkRecord[] {
  const chunks = new Set<ChunkRecord>();
  for (const { chunk } of parts.stock.quarantine.keys()) chunks.add(chunk);
  return [...chunks];
}
