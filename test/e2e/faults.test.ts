/** What modules and fibres do to a network of real daemons: the link says what is wrong, the rest goes on, the line recovers. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { LinkStatus } from "../../src/api/operator/node-status.ts";
import { until } from "./daemon-process.ts";
import type { NetworkNode } from "./network-node.ts";
import { openNetwork, type Network } from "./network.ts";
import { idsOf, type SaeClient } from "./sae-client.ts";

const QKDCTL = fileURLToPath(new URL("../../src/daemon/qkdctl.ts", import.meta.url));
const NORTH = "hub--north";
const SOUTH = "hub--south";
const LOST = /^module lost: /;
const NEVER_MATCHED = /that north never had: discarded/;
const OUT_OF_SERVICE = /^module out of service: /;
const DIFFERENT = /^the ends hold different bits in segment .*: discarded/;

describe("with faults on the line", () => {
  let network: Network;
  let hub: NetworkNode;
  let north: NetworkNode;
  let south: NetworkNode;
  let saeNorth: SaeClient;
  let saeSouth: SaeClient;

  before(async () => {
    network = await openNetwork({ limits: { segmentBytes: "8KiB", segmentAgeMax: "2s", unmatchedAgeMax: "5s" } });
    ({ hub, north, south } = network.nodes);
    saeNorth = network.sae("sae-north");
    saeSouth = network.sae("sae-south");
    await network.filled();
  });
  after(() => network?.close());

  /** Both ends are open, key comes, and what comes is agreed on. */
  async function assertLineWorks(link: typeof NORTH | typeof SOUTH): Promise<void> {
    const far = link === NORTH ? north : south;
    for (const [node, neighbour] of [
      [hub, far.id],
      [far, "hub"],
    ] as const) {
      await untilLink(
        node,
        neighbour,
        "works",
        ({ session, module, troubles }) =>
          session === "up" && module.state === "generating" && !troubles.some((trouble) => LOST.test(trouble)),
      );
      const agreed = async (): Promise<number> =>
        (await node.metric("qkdn_link_segments_total", { link, result: "agreed" })) ?? 0;
      const before = await agreed();
      await until(`${node.id} agrees on more of ${link}`, async () => (await agreed()) > before + 1);
    }
  }

  /** More than the pools hold: what is relayed after the fault is among them. */
  async function assertPairsEqual(): Promise<void> {
    for (let round = 0; round < 5; round++) {
      await network.filled();
      for (const [initiator, target] of [
        [saeNorth, saeSouth],
        [saeSouth, saeNorth],
      ] as const) {
        const keys = await initiator.newKeys(target.id, { number: 60 });
        assert.deepEqual(await target.copies(initiator.id, idsOf(keys)), keys);
      }
    }
  }

  function untilLink(node: NetworkNode, neighbour: string, what: string, holds: (link: LinkStatus) => boolean) {
    let seen: LinkStatus | undefined;
    const ask = async (): Promise<LinkStatus | false> => {
      seen = await node.link(neighbour);
      return holds(seen) && seen;
    };
    return until(`${node.id}'s link to ${neighbour}: ${what}`, ask, { explain: () => JSON.stringify(seen) });
  }

  it("a module unplugged is told as lost; the other end, the other link and supply go on; plugged again it works", async () => {
    await network.cause("unplug", NORTH, "north");
    const lost = await untilLink(north, "hub", "module lost", ({ troubles }) =>
      troubles.some((text) => LOST.test(text)),
    );
    assert.equal(lost.module.state, "absent");
    assert.equal(lost.session, "up", "the nodes still talk");
    assert.match(await north.text("/status.txt"), /module lost/);
    assert.deepEqual((await north.status()).health, { live: true, ready: true, reasons: [] });
    assert.notEqual((await hub.link("north")).module.state, "absent");
    const keys = await saeNorth.newKeys("sae-south", { number: 20 });
    assert.deepEqual(await saeSouth.copies("sae-north", idsOf(keys)), keys);
    await assertLineWorks(SOUTH);
    await network.cause("plug", NORTH, "north");
    await assertLineWorks(NORTH);
    await assertPairsEqual();
  });

  it("garbage on the line is counted, and no key is harmed by it", async () => {
    const faults = async (node: NetworkNode, link: string): Promise<number> => {
      const counts = await Promise.all(
        ["garbage", "crc"].map((fault) => node.metric("qkdn_link_device_faults", { link, fault })),
      );
      return counts.reduce<number>((sum, count) => sum + (count ?? 0), 0);
    };
    const mismatches = (): Promise<number | undefined> =>
      hub.metric("qkdn_link_segments_total", { link: SOUTH, result: "mismatch" });
    const before = await faults(south, SOUTH);
    assert.equal(await mismatches(), undefined);
    for (let i = 0; i < 3; i++) {
      await network.cause("garbage", SOUTH);
      await assertLineWorks(SOUTH);
    }
    await until(
      "garbage is counted at both ends",
      async () => (await faults(south, SOUTH)) > before && (await faults(hub, SOUTH)) > 0,
    );
    assert.equal(await mismatches(), undefined, "every key that came through is right");
    await assertPairsEqual();
  });

  it("a flipped bit at one end is found before any key is made of it: told, counted, discarded at both ends", async (test) => {
    const discarded = async (node: NetworkNode): Promise<number> =>
      (await node.status()).ledger.find(({ owner }) => owner === `link/${SOUTH}`)!.balances.discarded;
    assert.deepEqual([await discarded(hub), await discarded(south)], [0, 0]);
    await network.cause("flip", SOUTH, "south");
    for (const [node, neighbour] of [
      [hub, "south"],
      [south, "hub"],
    ] as const) {
      const link = await untilLink(node, neighbour, "says that bits differ", ({ troubles }) =>
        troubles.some((text) => DIFFERENT.test(text)),
      );
      test.diagnostic(`${node.id}: ${link.troubles.find((text) => DIFFERENT.test(text))}`);
      assert.equal(await node.metric("qkdn_link_segments_total", { link: SOUTH, result: "mismatch" }), 1);
    }
    assert.equal(await south.metric("qkdn_link_tag_failures_total", { link: SOUTH }), 1);
    const bytes = await discarded(hub);
    assert.ok(bytes > 0, "the whole segment is thrown away");
    assert.equal(await discarded(south), bytes);
    await assertLineWorks(SOUTH);
    await assertPairsEqual();
    assert.deepEqual([await discarded(hub), await discarded(south)], [bytes, bytes], "and nothing else is");
    assert.equal(
      await hub.metric("qkdn_link_tag_failures_total", { link: NORTH }),
      0,
      "the other link knows nothing of it",
    );
  });

  it("a key missing at one end is told by the other as never matched, and is all that is lost", async () => {
    const discarded = async (node: NetworkNode): Promise<number> =>
      (await node.status()).ledger.find(({ owner }) => owner === `link/${NORTH}`)!.balances.discarded;
    const before = await discarded(hub);
    assert.equal(await discarded(north), 0);
    await network.cause("missing", NORTH, "north");
    const { troubles } = await untilLink(hub, "north", "says that a key came at one end only", ({ troubles }) =>
      troubles.some((text) => NEVER_MATCHED.test(text)),
    );
    assert.match(troubles.join(), /1 QKD-key that north never had: discarded/);
    assert.equal((await discarded(hub)) - before, 8192, "one block of the module");
    const told = await hub.metric("qkdn_link_key_bits_total", { link: NORTH, use: "discarded" });
    assert.equal(told, 8 * (await discarded(hub)));
    await assertLineWorks(NORTH);
    await assertPairsEqual();
    assert.deepEqual([(await discarded(hub)) - before, await discarded(north)], [8192, 0], "and nothing else is");
  });

  it("a slow module is told by its rate at both ends, no key is discarded for it, and the stock grows on", async () => {
    const rate = (node: NetworkNode) => node.metric("qkdn_link_skr_bits_per_second", { link: SOUTH });
    const discarded = async (): Promise<number> =>
      (await hub.status()).ledger.find(({ owner }) => owner === `link/${SOUTH}`)!.balances.discarded;
    const [full, before] = [(await rate(hub))!, await discarded()];
    await network.cause("slow", SOUTH, "south");
    for (const node of [hub, south]) {
      await until(`${node.id} tells a tenth of the rate`, async () => (await rate(node)) === full / 10);
    }
    await assertLineWorks(SOUTH);
    await sleep(8_000); // longer than a key may be unmatched
    assert.equal(await discarded(), before);
    await network.cause("restore", SOUTH, "south");
    for (const node of [hub, south]) {
      await until(`${node.id} tells the whole rate`, async () => (await rate(node)) === full);
    }
    await assertPairsEqual();
  });

  it("a module that falls silent is given up, and taken back when it speaks again", async () => {
    await network.cause("stall", NORTH, "north");
    const lost = await untilLink(north, "hub", "module lost", ({ troubles }) =>
      troubles.some((text) => LOST.test(text)),
    );
    assert.match(lost.troubles.join(), /module lost: .*(silent|nothing|no .*for)/i);
    await assertLineWorks(SOUTH);
    await network.cause("restore", NORTH, "north");
    await assertLineWorks(NORTH);
  });

  it("a cut fibre is told by both modules of the link; stock is served on, and key comes again when it is mended", async () => {
    await network.cause("cut", NORTH);
    for (const [node, neighbour] of [
      [hub, "north"],
      [north, "hub"],
    ] as const) {
      const { module } = await untilLink(node, neighbour, "aligning", ({ module }) => module.state === "aligning");
      assert.equal(module.reason, "no light from the other end");
    }
    const keys = await saeNorth.newKeys("sae-south", { number: 30 });
    assert.deepEqual(await saeSouth.copies("sae-north", idsOf(keys)), keys);
    await network.cause("restore", NORTH);
    await assertLineWorks(NORTH);
    await assertPairsEqual();
  });

  const qkdctl = ({ folder }: NetworkNode, ...words: readonly string[]): string => {
    const socket = join(folder, "data", "control.sock");
    return spawnSync(process.execPath, [QKDCTL, ...words, "--socket", socket], { encoding: "utf8" }).stdout;
  };

  it("key that is unfit for use is refused at both ends, told and counted by reason: zeros, and what came before", async () => {
    const unfit = (node: NetworkNode, reason: string): Promise<number | undefined> =>
      node.metric("qkdn_link_unfit_bits_total", { link: NORTH, reason });
    const discarded = async (): Promise<number> =>
      (await hub.status()).ledger.find(({ owner }) => owner === `link/${NORTH}`)!.balances.discarded;
    const before = await discarded();
    assert.equal(await unfit(hub, "zero"), 0, "there from the start");
    for (const [fault, reason] of [
      ["zero", "zero"],
      ["repeat", "stuck"],
    ] as const) {
      await network.cause(fault, NORTH);
      for (const node of [hub, north]) {
        await until(`${node.id} counts it`, async () => (await unfit(node, reason)) === 8 * 8192);
      }
      const told = (await north.link("hub")).troubles.join();
      assert.match(told, new RegExp(`the module gave unfit key \\(1 ${reason}\\): discarded`));
    }
    assert.equal((await discarded()) - before, 2 * 8192, "one block each");
    await assertLineWorks(NORTH);
    await assertPairsEqual();
  });

  it("a stuck module is taken out of service with the reason shown, and taken back when it gives key again", async () => {
    await network.cause("stuck", SOUTH);
    for (const [node, neighbour] of [
      [hub, "south"],
      [south, "hub"],
    ] as const) {
      const out = await untilLink(node, neighbour, "module out of service", ({ troubles }) =>
        troubles.some((text) => OUT_OF_SERVICE.test(text)),
      );
      assert.match(
        out.troubles.find((text) => OUT_OF_SERVICE.test(text))!,
        /unfit key: \d+ stuck \(3 in a row\)/,
      );
      assert.equal(out.module.state, "generating", "as it says itself");
      assert.equal(await node.metric("qkdn_link_out_of_service", { link: SOUTH, part: "module" }), 1);
    }
    const keys = await saeNorth.newKeys("sae-south", { number: 20 });
    assert.deepEqual(await saeSouth.copies("sae-north", idsOf(keys)), keys, "from stock");
    assert.match(qkdctl(hub, "quarantine", "list"), /^hub--south: module: .* stuck \(.*\); tried again in \d+ s\n$/);
    await network.cause("restore", SOUTH);
    await sleep(500); // what the module made while it was stuck is read, and discarded
    assert.equal(qkdctl(hub, "quarantine", "release", "south"), "south: module in service again\n");
    assert.equal(qkdctl(hub, "quarantine", "list"), "hub: all is in service\n");
    await assertLineWorks(SOUTH);
    assert.equal(await hub.metric("qkdn_link_out_of_service", { link: SOUTH, part: "module" }), 0);
    await assertPairsEqual();
  });

  it("after all of it every ledger adds up", async () => {
    for (const node of [north, hub, south]) await node.assertLedgerAddsUp();
  });
});
