import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decodeManifest, encodeManifest } from "../../../src/link/manifest.ts";
import { Proposer } from "../../../src/link/proposer.ts";
import { ProposalAnswerer } from "../../../src/link/proposal-answerer.ts";
import type { Agreement, Proposal } from "../../../src/peer/peer-messages.ts";
import { Bell } from "../../../src/runtime/bell.ts";
import { heldIds, heldRuns, LEDGER, moduleKeys, openLinkEnd, store, type LinkEndBench } from "./link-bench.ts";

const LIMITS = { segmentBytes: 4096, missingKeyWaitMs: 0 };
const nobody = new AbortController().signal;

interface Ends {
  readonly leader: LinkEndBench;
  readonly follower: LinkEndBench;
  readonly proposer: Proposer;
  readonly answerer: ProposalAnswerer;
  announce(): void;
}

async function openEnds(): Promise<Ends> {
  const leader = await openLinkEnd("leader", { limits: LIMITS });
  const follower = await openLinkEnd("follower", { limits: LIMITS });
  const proposer = new Proposer(
    leader.parts,
    () => 0.5,
    () => undefined,
  );
  const answerer = new ProposalAnswerer(follower.parts, new Bell(), () => undefined);
  const announce = (): void => {
    proposer.inventory({ kind: "inventory", runs: heldRuns(follower) });
  };
  return { leader, follower, proposer, answerer, announce };
}

function proposalOf({ leader }: Ends): Proposal {
  const [message] = leader.sent.splice(0);
  assert.ok(message?.kind === "proposal");
  return message;
}

/** The follower answers; keys that it lacks do not come while it waits. */
async function answer({ answerer, follower }: Ends, proposal: Proposal): Promise<void> {
  const answered = answerer.answer([proposal], nobody);
  await follower.store.world.run(10);
  await answered;
}

/** The follower's answer, taken by the leader. */
async function settle(ends: Ends, proposal: Proposal): Promise<string> {
  await answer(ends, proposal);
  const [message] = ends.follower.sent.splice(0);
  if (message?.kind === "agreement") await ends.proposer.agreed([message]);
  else if (message?.kind === "disagreement") await ends.proposer.disagreed(message);
  else return "silence";
  return message.kind === "agreement" ? "agreed" : message.reason;
}

describe("agreement on a segment", () => {
  it("ends with the same bytes, owner and expiry at both ends", async () => {
    const ends = await openEnds();
    for (const end of [ends.leader, ends.follower]) await store(end, moduleKeys(0, 64, 64));
    ends.announce();
    assert.ok(await ends.proposer.propose());
    const proposal = proposalOf(ends);
    assert.equal(await settle(ends, proposal), "agreed");
    const [ours, theirs] = [
      ends.leader.stock.segment(proposal.segment)!,
      ends.follower.stock.segment(proposal.segment)!,
    ];
    for (const field of ["phase", "owner", "lengthBytes", "expiresAt"] as const)
      assert.equal(ours[field], theirs[field]);
    using one = (await ends.leader.stock.readSegment(ours))!;
    using other = (await ends.follower.stock.readSegment(theirs))!;
    assert.deepEqual(
      one.expose((bytes) => bytes.slice()),
      other.expose((bytes) => bytes.slice()),
    );
  });

  it("names keys of any pattern: ids that follow no order, more than fit one line of a manifest", async () => {
    const ends = await openEnds();
    for (const end of [ends.leader, ends.follower]) {
      for (let i = 0; i < 64; i++) await store(end, moduleKeys(3 * i, 1, 64));
    }
    ends.announce();
    assert.ok(await ends.proposer.propose());
    assert.equal(await settle(ends, proposalOf(ends)), "agreed");
  });

  it("a bit that differs discards the segment at both ends, and is counted", async () => {
    const ends = await openEnds();
    const wrong = moduleKeys(0, 64, 64);
    wrong[40]!.material.expose((bytes) => (bytes[9]! ^= 4));
    await store(ends.leader, moduleKeys(0, 64, 64));
    await store(ends.follower, wrong);
    ends.announce();
    await ends.proposer.propose();
    assert.equal(await settle(ends, proposalOf(ends)), "mismatch");
    for (const end of [ends.leader, ends.follower]) {
      assert.equal(end.vault.ledger.balances(LEDGER).discarded, 4096);
      assert.equal(end.stock.quarantine.bytes, 0);
    }
    assert.match(ends.follower.parts.troubles.sentences().join(), /different bits/);
  });

  it("after three segments in a row that differ the leader proposes no more, both ends say so, and a release ends it", async () => {
    const ends = await openEnds();
    const mismatch = async (number: number): Promise<void> => {
      const keys = moduleKeys(64 * number, 64, 64);
      keys[0]!.material.expose((bytes) => (bytes[9]! ^= 4));
      await store(ends.leader, moduleKeys(64 * number, 64, 64));
      await store(ends.follower, keys);
      ends.announce();
      assert.ok(await ends.proposer.propose());
      assert.equal(await settle(ends, proposalOf(ends)), "mismatch");
    };
    for (let number = 0; number < 3; number++) await mismatch(number);
    for (const end of [ends.leader, ends.follower]) await store(end, moduleKeys(1000, 64, 64));
    ends.announce();
    assert.equal(await ends.proposer.propose(), false);
    for (const { parts } of [ends.leader, ends.follower]) {
      assert.equal(parts.guards.agreement.out?.reason, "the ends hold different bits (3 in a row)");
    }
    assert.equal(ends.leader.stock.quarantine.bytes, 4096, "what is not agreed yet waits");
    ends.leader.parts.guards.agreement.release();
    assert.ok(await ends.proposer.propose());
    assert.equal(await settle(ends, proposalOf(ends)), "agreed");
  });

  it("nothing is proposed whose name the follower cannot believe by its clock: its key would be burned", async () => {
    const ends = await openEnds();
    for (const end of [ends.leader, ends.follower]) await store(end, moduleKeys(0, 64, 64));
    ends.announce();
    const epochMs = 1000 * ends.leader.vault.epoch;
    ends.leader.skewMs = epochMs - 3_601_000 - ends.leader.store.clock.wall();
    assert.equal(await ends.proposer.propose(), false);
    ends.leader.skewMs += 2_000;
    assert.ok(await ends.proposer.propose());
    assert.equal(await settle(ends, proposalOf(ends)), "agreed");
  });

  it("a proposal repeated gets the same answer again; after a refusal it is stale", async () => {
    const ends = await openEnds();
    for (const end of [ends.leader, ends.follower]) await store(end, moduleKeys(0, 64, 64));
    ends.announce();
    await ends.proposer.propose();
    const proposal = proposalOf(ends);
    await answer(ends, proposal);
    await answer(ends, proposal);
    const [first, again] = ends.follower.sent.splice(0);
    assert.ok(first?.kind === "agreement" && again?.kind === "agreement");
    assert.deepEqual(again.tag, first.tag);

    const others = await openEnds();
    await store(others.leader, moduleKeys(0, 64, 64));
    others.proposer.inventory({ kind: "inventory", runs: [{ first: moduleKeys(0, 1, 1)[0]!.id, count: 64 }] });
    await others.proposer.propose();
    const missing = proposalOf(others);
    await answer(others, missing);
    await store(others.follower, moduleKeys(0, 64, 64));
    await answer(others, missing);
    assert.deepEqual(
      others.follower.sent.map((message) => (message.kind === "disagreement" ? message.reason : message.kind)),
      ["missing", "stale"],
    );
  });

  it("keys that never came burn the header's keys; the rest is proposed again under another name and header", async () => {
    const ends = await openEnds();
    await store(ends.leader, moduleKeys(0, 64, 64));
    await store(ends.leader, moduleKeys(64, 8, 64));
    await store(ends.follower, moduleKeys(0, 63, 64));
    await store(ends.follower, moduleKeys(64, 8, 64));
    ends.proposer.inventory({ kind: "inventory", runs: [{ first: moduleKeys(0, 1, 1)[0]!.id, count: 72 }] });
    await ends.proposer.propose();
    const refused = proposalOf(ends);
    assert.equal(await settle(ends, refused), "missing");
    for (const id of moduleKeys(0, 2, 1).map((key) => key.id)) {
      assert.equal(ends.leader.stock.quarantine.has(id), false, "the keys that the header came from are gone");
      assert.equal(ends.follower.stock.quarantine.has(id), false);
    }
    assert.ok(await ends.proposer.propose());
    const next = proposalOf(ends);
    assert.notEqual(next.segment, refused.segment);
    assert.equal(await settle(ends, next), "agreed");
  });

  it("an answer whose tag is wrong is believed by nobody: the segment is discarded", async () => {
    const ends = await openEnds();
    for (const end of [ends.leader, ends.follower]) await store(end, moduleKeys(0, 64, 64));
    ends.announce();
    await ends.proposer.propose();
    const { segment } = proposalOf(ends);
    await ends.proposer.agreed([{ kind: "agreement", segment, tag: new Uint8Array(16) }]);
    assert.equal(ends.leader.stock.segment(segment), undefined);
    assert.equal(ends.leader.vault.ledger.balances(LEDGER).discarded, 4096);
  });

  it("a proposal that is garbage, or for another link, is refused, and nothing is burned for it", async () => {
    const ends = await openEnds();
    for (const end of [ends.leader, ends.follower]) await store(end, moduleKeys(0, 64, 64));
    ends.announce();
    await ends.proposer.propose();
    const proposal = proposalOf(ends);
    const balances = ends.follower.vault.ledger.balances(LEDGER);
    for (let at = 0; at < proposal.manifest.length; at++) {
      const manifest = proposal.manifest.slice();
      manifest[at]! ^= 0xff;
      if (at < 21) assert.equal(await settle(ends, { ...proposal, manifest }), "stale", `byte ${at}`);
    }
    assert.deepEqual(ends.follower.vault.ledger.balances(LEDGER), balances);
    assert.equal(await settle(ends, proposal), "agreed");
  });

  it("a proposal whose manifest names one key twice is stale, burns nothing, and ends nothing", async () => {
    const ends = await openEnds();
    for (const end of [ends.leader, ends.follower]) await store(end, moduleKeys(0, 64, 64));
    ends.announce();
    await ends.proposer.propose();
    const proposal = proposalOf(ends);
    const balances = ends.follower.vault.ledger.balances(LEDGER);
    const manifest = decodeManifest(proposal.manifest);
    const { first } = manifest.runs[0]!;
    for (const runs of [
      [...manifest.runs, { first, count: 1 }],
      [
        { first, count: 1 },
        { first, count: 1 },
      ],
    ]) {
      await answer(ends, { ...proposal, manifest: encodeManifest({ ...manifest, runs }) });
      const [message] = ends.follower.sent.splice(0);
      assert.ok(message?.kind === "disagreement");
      assert.deepEqual([message.reason, message.missing], ["stale", []]);
    }
    assert.deepEqual(ends.follower.vault.ledger.balances(LEDGER), balances);
    assert.equal(heldIds(ends.follower).length, 64);
    assert.equal(await settle(ends, proposal), "agreed", "the same name, honestly, is not stale");
  });

  it("several at once become durable together, at each end, and each has its own answer", async () => {
    const ends = await openEnds();
    for (const end of [ends.leader, ends.follower]) {
      for (let i = 0; i < 3; i++) await store(end, moduleKeys(64 * i, 64, 64));
    }
    ends.announce();
    const [leaderWrites, followerWrites] = [ends.leader.vault.journal, ends.follower.vault.journal];
    assert.ok(await ends.proposer.propose());
    const proposals = ends.leader.sent.splice(0) as Proposal[];
    assert.deepEqual([proposals.length, ends.leader.vault.journal - leaderWrites], [3, 1]);
    await ends.answerer.answer([...proposals, proposals[1]!], nobody);
    const answers = ends.follower.sent.splice(0) as Agreement[];
    assert.equal(ends.follower.vault.journal - followerWrites, 1);
    assert.deepEqual(
      answers.map(({ kind, segment }) => [kind, segment]),
      [0, 1, 2, 1].map((i) => ["agreement", proposals[i]!.segment]),
    );
    assert.deepEqual(answers[3]!.tag, answers[1]!.tag, "a repeated proposal among them gets the same answer again");
    const wrong = { ...answers[1]!, tag: answers[0]!.tag };
    await ends.proposer.agreed([answers[0]!, wrong, answers[2]!]);
    assert.deepEqual(
      proposals.map(({ segment }) => ends.leader.stock.segment(segment)?.phase),
      ["agreed", undefined, "agreed"],
      "an answer whose tag is wrong costs its own segment",
    );
  });

  it("that began amid a chunk of the follower's ends with it: later chunks are taken as they are", async () => {
    const ends = await openEnds();
    await store(ends.leader, moduleKeys(32, 32, 64)); // a leader that was restarted: its half of the first chunk
    await store(ends.follower, moduleKeys(0, 64, 64));
    for (const end of [ends.leader, ends.follower]) {
      for (let i = 1; i < 4; i++) await store(end, moduleKeys(64 * i, 64, 64));
    }
    ends.announce();
    while (await ends.proposer.propose());
    const proposals = ends.leader.sent.splice(0) as Proposal[];
    assert.deepEqual(
      proposals.map(({ manifest }) => decodeManifest(manifest).lengthBytes),
      [2048, 4096, 4096, 4096],
    );
    for (const proposal of proposals) assert.equal(await settle(ends, proposal), "agreed");
    const [cut, ...whole] = ends.follower.stock.segments();
    assert.equal(cut![1].lengthBytes, 2048);
    for (const [, { chunks }] of whole) assert.equal(chunks.length, 1);
  });

  it("goes on when short keys and keys as long as a segment come mixed", async () => {
    const ends = await openEnds();
    for (const end of [ends.leader, ends.follower]) {
      await store(end, moduleKeys(0, 2, 64));
      for (let i = 0; i < 4; i++) await store(end, moduleKeys(10 + i, 1, 4096));
    }
    ends.announce();
    assert.ok(await ends.proposer.propose());
  });
});
