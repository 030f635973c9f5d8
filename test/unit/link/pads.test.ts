import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { InboundPads, type OpenedFrame } from "../../../src/link/inbound-pads.ts";
import { OutboundPads } from "../../../src/link/outbound-pads.ts";
import { TAG_PAD_BYTES } from "../../../src/link/one-time-tag.ts";
import { SEGMENT_BYTES_MAX, SEGMENT_HEADER_BYTES } from "../../../src/link/segment-tags.ts";
import type { SegmentName } from "../../../src/model/ids.ts";
import type { PeerMessage } from "../../../src/peer/peer-messages.ts";
import { agree, LEDGER, openLinkEnd, quiet, type LinkEndBench } from "./link-bench.ts";

interface Pair {
  readonly owner: LinkEndBench;
  readonly witness: LinkEndBench;
  readonly out: OutboundPads;
  readonly in: InboundPads;
  readonly segments: readonly SegmentName[];
  /** Carries what the two said, both ways, until nothing is left. */
  deliver(): Promise<void>;
  close(): Promise<void>;
}

/** The owner's pads are running and were told that the session is up; nothing was delivered yet. */
async function openPair(lengths: readonly number[], limits = {}): Promise<Pair> {
  const owner = await openLinkEnd("leader", { limits });
  const witness = await openLinkEnd("follower", { limits });
  const segments: SegmentName[] = [];
  for (const [i, lengthBytes] of lengths.entries()) {
    segments.push(await agree([owner, witness], { number: i + 1, owner: "leader", lengthBytes }));
  }
  const out = new OutboundPads(owner.parts, () => undefined);
  const incoming = new InboundPads(witness.parts);
  const stop = new AbortController();
  const running = [out.run(stop.signal), incoming.run(stop.signal)];
  out.sessionUp(true);
  await quiet();
  const toOwner = (message: PeerMessage): void => {
    if (message.kind === "segment-witnessed") out.witnessed(message);
    if (message.kind === "segment-closing") out.closed(message);
  };
  const toWitness = (message: PeerMessage): void => {
    if (message.kind === "segment-opening") incoming.receive(message);
    if (message.kind === "segment-closing") incoming.closing(message);
  };
  return {
    owner,
    witness,
    out,
    in: incoming,
    segments,
    async deliver() {
      while (owner.sent.length + witness.sent.length > 0) {
        for (const message of owner.sent.splice(0)) toWitness(message);
        await quiet();
        for (const message of witness.sent.splice(0)) toOwner(message);
        await quiet();
      }
    },
    async close() {
      stop.abort();
      await Promise.all(running);
    },
  };
}

const NO_HEADER = new Uint8Array(0);

/** Seals `payload` under the next pad; undefined where none is open. */
function seal(
  { out }: Pair,
  payload: Uint8Array,
): { bytes: Uint8Array; payloadBytes: number; padUsed: Uint8Array } | undefined {
  let padUsed = new Uint8Array(0);
  const frame = out.seal(
    payload.length,
    () => NO_HEADER,
    (ciphertext, pad) => {
      padUsed = pad.slice();
      for (let i = 0; i < pad.length; i++) ciphertext[i] = payload[i]! ^ pad[i]!;
    },
  );
  return frame === undefined ? undefined : { ...frame, padUsed };
}

function opened(pair: Pair, frame: Uint8Array): OpenedFrame {
  const result = pair.in.openFrame(frame);
  assert.ok(typeof result !== "string", typeof result === "string" ? result : "");
  return result;
}

function clearOf({ ciphertext, pad, release }: OpenedFrame): Uint8Array {
  const clear = ciphertext.map((byte, i) => byte ^ pad[i]!);
  release();
  return clear;
}

const message = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i & 0xff);

describe("pads of a link", () => {
  it("carry what was sealed to the other end, strictly forward, until the segment is used up", async () => {
    const pair = await openPair([1024]);
    await pair.deliver();
    const pads: Uint8Array[] = [];
    for (let sent = seal(pair, message(100)); sent !== undefined; sent = seal(pair, message(100))) {
      assert.deepEqual(clearOf(opened(pair, sent.bytes)), message(100).subarray(0, sent.payloadBytes));
      pads.push(sent.padUsed);
    }
    const spent = pads.reduce((sum, pad) => sum + pad.length + 16, 0);
    assert.ok(1024 - 96 - spent < 32, `${1024 - 96 - spent} bytes left over`);
    await quiet();
    await pair.deliver();
    for (const end of [pair.owner, pair.witness]) {
      const { open, pads: used, tags, tails } = end.vault.ledger.balances(LEDGER);
      assert.deepEqual([open, used + tags + tails], [0, 1024], "every byte is accounted for, at both ends");
    }
    await pair.close();
  });

  it("are not used before the neighbour witnessed the opening, nor while there is no session", async () => {
    const pair = await openPair([1024]);
    assert.equal(pair.owner.sent[0]?.kind, "segment-opening");
    assert.equal(seal(pair, message(10)), undefined);
    assert.equal(pair.out.availableBytes(), 0);
    await pair.deliver();
    assert.ok(pair.out.availableBytes() > 0);
    pair.out.sessionDown();
    assert.equal(seal(pair, message(10)), undefined);
    await pair.close();
  });

  it("are gone from both disks before the first byte is used", async () => {
    const pair = await openPair([1024]);
    const slotsInUse = (end: LinkEndBench): number =>
      Array.from({ length: end.store.bag.bytes.length / 72 - 1 }, (_, i) =>
        end.store.bag.bytes.subarray(72 * (i + 1), 72 * (i + 2)),
      ).filter((slot) => slot.some((byte) => byte !== 0)).length;
    assert.equal(slotsInUse(pair.owner), 0, "the owner's is gone before it tells");
    assert.equal(slotsInUse(pair.witness), 1);
    await pair.deliver();
    assert.equal(slotsInUse(pair.witness), 0, "the witness's before it answers");
    await pair.close();
  });

  it("each range is taken once: a frame repeated, or one that overlaps another, is refused and changes nothing", async () => {
    const pair = await openPair([1024]);
    await pair.deliver();
    const [one, two] = [seal(pair, message(100))!, seal(pair, message(100))!];
    opened(pair, two.bytes).release(); // gaps are allowed: the first may have been lost
    opened(pair, one.bytes).release();
    const balances = pair.witness.vault.ledger.balances(LEDGER);
    assert.equal(pair.in.openFrame(one.bytes), "used-before");
    assert.equal(pair.in.openFrame(two.bytes), "used-before");
    const overlapping = one.bytes.slice();
    overlapping[15]! += 1; // the pad offset
    assert.equal(pair.in.openFrame(overlapping), "used-before");
    assert.deepEqual(pair.witness.vault.ledger.balances(LEDGER), balances);
    await pair.close();
  });

  it("a frame with any bit wrong takes nothing: the true one is still good behind it", async () => {
    const pair = await openPair([2048], { tagFailuresMax: 100_000 });
    await pair.deliver();
    const { bytes } = seal(pair, message(40))!;
    for (let bit = 0; bit < 8 * bytes.length; bit += 3) {
      const forged = bytes.slice();
      forged[bit >> 3]! ^= 1 << (bit & 7);
      let result: ReturnType<InboundPads["openFrame"]> | "refused" = "refused";
      try {
        result = pair.in.openFrame(forged);
      } catch (failure) {
        assert.match(String(failure), /malformed frame/);
      }
      assert.equal(typeof result, "string", `bit ${bit}`);
    }
    assert.deepEqual(clearOf(opened(pair, bytes)), message(40));
    await pair.close();
  });

  it("a segment under whose name too many frames do not verify is closed, at both ends", async () => {
    const pair = await openPair([1024], { tagFailuresMax: 4 });
    await pair.deliver();
    const good = seal(pair, message(40))!.bytes;
    const forged = good.slice();
    forged[forged.length - 1]! ^= 1;
    for (let attempt = 0; attempt < 4; attempt++) assert.equal(pair.in.openFrame(forged), "tag-wrong");
    assert.equal(pair.in.openFrame(good), "not-open");
    assert.deepEqual(pair.witness.sent, [
      { kind: "segment-closing", segment: pair.segments[0], reason: "tag-failures" },
    ]);
    await pair.deliver();
    assert.equal(seal(pair, message(10)), undefined);
    assert.equal(pair.owner.vault.ledger.balances(LEDGER).open, 0);
    await pair.close();
  });

  it("a segment is too short for 2^16 frames under one hash key", () => {
    assert.ok((SEGMENT_BYTES_MAX - SEGMENT_HEADER_BYTES) / TAG_PAD_BYTES < 2 ** 16);
  });

  it("each frame that is checked, good or not, adds what a forger could have won by it to the bound of the link", async () => {
    const pair = await openPair([2048]);
    await pair.deliver();
    const epsilon = (): number => pair.witness.metrics.value("qkdn_link_epsilon_total", "a--b");
    const before = epsilon();
    assert.ok(before > 0 && before < 2 ** -95, "the opening");
    const { bytes } = seal(pair, message(1000))!;
    const forged = bytes.slice();
    forged[forged.length - 1]! ^= 1;
    pair.in.openFrame(forged);
    opened(pair, bytes);
    const blocks = Math.ceil((bytes.length - 16) / 16);
    const added = (epsilon() - before) * 2 ** 106;
    assert.ok(Math.abs(added - 2 * 8 * blocks) < 1e-6, `${added}`);
    await pair.close();
  });

  it("an opening may be forged so often only: then its segment is burned at both ends, and the next may be opened", async () => {
    const pair = await openPair([1024, 1024], { tagFailuresMax: 4, openAhead: 1 });
    const [opening, next] = pair.owner.sent.splice(0);
    assert.ok(opening?.kind === "segment-opening" && next?.kind === "segment-opening");
    for (let attempt = 0; attempt < 5; attempt++) {
      pair.in.receive({ ...opening, tag: new Uint8Array(16).fill(attempt) });
      await quiet();
    }
    assert.equal(pair.witness.stock.segment(opening.segment), undefined);
    assert.equal(pair.witness.vault.ledger.balances(LEDGER).burned, 1024);
    pair.in.receive(next);
    await quiet();
    await pair.deliver();
    assert.equal(pair.owner.vault.ledger.balances(LEDGER).burned, 1024 - SEGMENT_HEADER_BYTES);
    assert.ok(seal(pair, message(10)), "under the next segment");
    await pair.close();
  });

  it("when segment after segment is closed for its tags none is opened for a while: somebody forges", async () => {
    const pair = await openPair([1024, 1024, 1024, 1024, 1024], { tagFailuresMax: 2, openAhead: 1 });
    for (let closed = 0; closed < 3; closed++) {
      await pair.deliver();
      const forged = seal(pair, message(40))!.bytes.slice();
      forged[forged.length - 1]! ^= 1;
      for (let attempt = 0; attempt < 2; attempt++) assert.equal(pair.in.openFrame(forged), "tag-wrong");
    }
    assert.match(pair.witness.parts.guards.tags.out!.reason, /3 in a row/);
    assert.equal(pair.in.openBytes, 0);
    await pair.deliver();
    assert.equal(seal(pair, message(10)), undefined, "openings are refused");
    await pair.close();
  });

  it("answers to an opening that do not verify burn its segment when there are too many", async () => {
    const pair = await openPair([1024], { tagFailuresMax: 4 });
    const forged = { kind: "segment-witnessed", segment: pair.segments[0]!, tag: new Uint8Array(16) } as const;
    for (let attempt = 0; attempt < 4; attempt++) pair.out.witnessed(forged);
    assert.equal(pair.out.openBytes, 0);
    await pair.deliver();
    assert.equal(pair.in.openBytes, 0);
    await pair.close();
  });

  it("of an open segment nothing is used after the neighbour started anew", async () => {
    const pair = await openPair([1024, 1024]);
    await pair.deliver();
    const sent = seal(pair, message(10))!;
    pair.out.sessionUp(true);
    assert.equal(pair.out.openBytes, 0);
    pair.in.sessionUp(undefined);
    assert.equal(pair.in.openFrame(sent.bytes), "not-open");
    await agree([pair.owner, pair.witness], { number: 3, owner: "leader", lengthBytes: 1024 });
    pair.out.stockChanged();
    await quiet();
    await pair.deliver();
    const next = seal(pair, message(10))!;
    opened(pair, next.bytes).release();
    assert.equal(next.bytes[11], 3, "the third segment: of the first two the rest was burned");
    await pair.close();
  });

  it("nor of one whose opening was being recorded when the neighbour started anew", async () => {
    const pair = await openPair([1024]);
    const gate = Promise.withResolvers<void>();
    pair.witness.store.bag.gate = gate.promise;
    for (const opening of pair.owner.sent.splice(0)) if (opening.kind === "segment-opening") pair.in.receive(opening);
    await quiet();
    pair.in.sessionUp(undefined);
    gate.resolve();
    await quiet();
    assert.equal(pair.in.openBytes, 0);
    assert.deepEqual(pair.witness.sent, [], "and it is not called witnessed");
    assert.equal(pair.witness.vault.ledger.balances(LEDGER).open, 0);
    await pair.close();
  });

  it("an opening is witnessed once and in order: a name that was used, or passed over, never again", async () => {
    const pair = await openPair([1024, 1024]);
    const [first, second] = pair.owner.sent.splice(0);
    assert.ok(first?.kind === "segment-opening" && second?.kind === "segment-opening");
    pair.in.receive(second);
    await quiet();
    assert.deepEqual(
      pair.witness.sent.splice(0).map(({ kind }) => kind),
      ["segment-witnessed"],
    );
    pair.in.receive(first);
    await quiet();
    assert.deepEqual(pair.witness.sent.splice(0), [
      { kind: "segment-closing", segment: pair.segments[0], reason: "refused" },
    ]);
    pair.in.receive(second);
    await quiet();
    assert.deepEqual(
      pair.witness.sent.splice(0).map(({ kind }) => kind),
      ["segment-witnessed"],
      "a repeat of an open one",
    );
    pair.in.closing({ kind: "segment-closing", segment: pair.segments[1]!, reason: "burned" });
    pair.in.receive(second);
    await quiet();
    assert.deepEqual(
      pair.witness.sent.map(({ kind }) => kind),
      ["segment-closing"],
      "and of a closed one",
    );
    await pair.close();
  });

  it("an opening whose tag is wrong changes nothing: who sent it does not hold the key", async () => {
    const pair = await openPair([1024]);
    const [opening] = pair.owner.sent.splice(0);
    assert.ok(opening?.kind === "segment-opening");
    const tag = opening.tag.slice();
    tag[3]! ^= 1;
    pair.in.receive({ ...opening, tag });
    await quiet();
    assert.equal(pair.witness.sent.length, 0);
    pair.in.receive(opening);
    await quiet();
    assert.equal(pair.witness.sent[0]?.kind, "segment-witnessed");
    await pair.close();
  });

  it("are opened ahead as far as somebody lacked them, together: one write at each end", async () => {
    const pair = await openPair([4096, 4096, 4096, 4096, 4096, 4096], { openAhead: 1 });
    await pair.deliver();
    const opened = pair.out.openNames.length;
    assert.ok(opened < 6);
    const [ownerWrites, witnessWrites] = [pair.owner.vault.journal, pair.witness.vault.journal];
    pair.out.want(6 * 4096);
    await quiet();
    await pair.deliver();
    assert.deepEqual(pair.out.openNames, pair.segments, "all of them, in their order");
    assert.equal(pair.out.availableBytes(), 6 * (4096 - 96 - 16));
    const writes = [pair.owner.vault.journal - ownerWrites, pair.witness.vault.journal - witnessWrites];
    assert.deepEqual(writes, [1, 1]);
    await pair.close();
  });

  it("an answer to an opening whose tag is wrong opens nothing", async () => {
    const pair = await openPair([1024]);
    pair.out.witnessed({ kind: "segment-witnessed", segment: pair.segments[0]!, tag: new Uint8Array(16) });
    assert.equal(seal(pair, message(10)), undefined);
    await pair.deliver();
    assert.ok(seal(pair, message(10)));
    await pair.close();
  });

  it("an opening that nobody witnesses is repeated byte for byte, then given up", async () => {
    const pair = await openPair([1024]);
    await pair.owner.store.world.run(1_500);
    const [first, again] = pair.owner.sent;
    assert.ok(first?.kind === "segment-opening" && again?.kind === "segment-opening");
    assert.deepEqual(again.tag, first.tag);
    pair.owner.sent.length = 0;
    await pair.owner.store.world.run(20_000);
    assert.equal(pair.out.openBytes, 0);
    assert.ok(pair.owner.sent.some(({ kind }) => kind === "segment-closing"));
    assert.equal(pair.owner.vault.ledger.balances(LEDGER).burned, 1024 - 96);
    await pair.close();
  });

  it("the shortest segment that may be agreed pays for one frame", async () => {
    const pair = await openPair([128]);
    await pair.deliver();
    const sent = seal(pair, message(100))!;
    assert.equal(sent.payloadBytes, 16);
    opened(pair, sent.bytes).release();
    assert.equal(seal(pair, message(1)), undefined);
    await pair.close();
  });
});
