import assert from "node:assert/strict";
import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";
import { describe, it } from "node:test";
import { InboundPads } from "../../../src/link/inbound-pads.ts";
import { OutboundPads } from "../../../src/link/outbound-pads.ts";
import { ProposalAnswerer } from "../../../src/link/proposal-answerer.ts";
import { Proposer } from "../../../src/link/proposer.ts";
import { openingTag } from "../../../src/link/segment-tags.ts";
import type { Proposal } from "../../../src/peer/peer-messages.ts";
import { Bell } from "../../../src/runtime/bell.ts";
import { agree, heldRuns, LINK, moduleKeys, openLinkEnd, store } from "./link-bench.ts";

const limits = { segmentBytes: 4096, missingKeyWaitMs: 0, openAhead: 1 };

/** A follower whose quarantine is on disk only, and proposals for all of it. Its reads take a turn, as LevelDB's do. */
async function openReadingFollower() {
  const leader = await openLinkEnd("leader", { limits });
  const before = await openLinkEnd("follower", { limits });
  for (let i = 0; i < 8; i++) for (const end of [leader, before]) await store(end, moduleKeys(64 * i, 64, 64));
  const disk = before.store;
  const get = disk.level.get.bind(disk.level);
  disk.level.get = (async (...words: Parameters<typeof get>) => {
    await sleep(1);
    return get(...words);
  }) as typeof get;
  const follower = await openLinkEnd("follower", { limits, store: disk });
  for (let n = 1; n <= 4; n++) await agree([leader, follower], { number: n, owner: "leader", lengthBytes: 4096 });
  const proposer = new Proposer(
    leader.parts,
    () => 0.5,
    () => undefined,
  );
  proposer.inventory({ kind: "inventory", runs: heldRuns(follower) });
  // those that are read from the leader's disk are proposed one by one
  for (let did = true; did;) did = await proposer.propose();
  const proposals = leader.sent.splice(0).filter((message): message is Proposal => message.kind === "proposal");
  assert.ok(proposals.length > 3, `${proposals.length} proposals`);
  return { leader, follower, disk, proposals };
}

/** Answers all proposals while another room works on the same segments; then the follower starts anew. */
async function answerBeside(
  { follower, disk, proposals }: Awaited<ReturnType<typeof openReadingFollower>>,
  beside: () => void,
): Promise<void> {
  const answerer = new ProposalAnswerer(follower.parts, new Bell(), () => undefined);
  const over = new AbortController();
  const answered = answerer.answer(proposals, over.signal).finally(() => over.abort());
  while (!over.signal.aborted) {
    beside();
    await turn();
  }
  await answered;
  for (let i = 0; i < 50; i++) await turn();
  assert.deepEqual(disk.failures, []);
  await openLinkEnd("follower", { limits, store: disk }); // disk and ledger tell the same story, or this throws
}

describe("while a follower reads proposals' keys from its disk", () => {
  it("segments agreed meanwhile can be opened: what is seen in memory is written first", async () => {
    const bench = await openReadingFollower();
    const over = new AbortController();
    const pads = new OutboundPads(bench.follower.parts, () => undefined);
    pads.sessionUp(false);
    const running = pads.run(over.signal);
    await answerBeside(bench, () => pads.stockChanged());
    over.abort();
    await running;
  });

  it("a neighbour that opens a segment right behind its proposal harms no store", async () => {
    const bench = await openReadingFollower();
    const over = new AbortController();
    const pads = new InboundPads(bench.follower.parts);
    const running = pads.run(over.signal);
    const { stock } = bench.leader;
    const [name, record] = stock.segments().find(([, { owner, phase }]) => owner === "leader" && phase === "proposed")!;
    using material = (await stock.readSegment(record))!;
    const tag = material.expose((bytes) => openingTag(bytes, { link: LINK, segment: name }));
    const mark = new Uint8Array(0);
    await answerBeside(bench, () => void pads.receive({ kind: "segment-opening", segment: name, tag, mark }));
    over.abort();
    await running;
  });
});
