/** The live picture of a network: what it shows, and that it fits whatever terminal there is. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type FrameSize, networkFrame } from "../../../src/live-view/network-frame.ts";
import { NetworkHistory } from "../../../src/live-view/network-history.ts";
import { mapLines } from "../../../src/live-view/network-map.ts";
import type { NetworkView } from "../../../src/live-view/network-view.ts";
import { terminalText, widthOf } from "../../../src/live-view/styled-line.ts";
import { parseNodeId } from "../../../src/model/ids.ts";
import { RING, viewedRing } from "../../fakes/viewed-network.ts";

const WORDS = { left: "demo", right: "q: end", timeOfDay: (at: number) => `+${at / 1000} s` };

function frame(views: readonly NetworkView[], size: FrameSize = { columns: 100, rows: 40 }): readonly string[] {
  const history = new NetworkHistory();
  for (const view of views) history.add(view);
  return networkFrame(history, WORDS, size).map((each) => terminalText(each, false));
}

const map = (view: NetworkView): string =>
  mapLines(view, { columns: 36, rows: 9 })
    .map((each) => terminalText(each, false))
    .join("\n");

const cutBetween =
  (one: string, other: string) =>
  <Link extends { readonly neighbour: string; readonly module: object }>(link: Link, node: string): Link =>
    [node, link.neighbour].toSorted().join() === [one, other].join()
      ? { ...link, module: { state: "aligning", reason: "no light from the other end" } }
      : link;

/** What sets a colour, or ends it. */
const RENDITION = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, "g");

describe("the map", () => {
  it("draws a ring as one", () => {
    assert.equal(
      map(viewedRing()),
      `              [aachen]
            /---     \\---
       /----             \\----
 [essen]                     [bonn]
     \\                         /
      \\                       /
       \\                     /
        \\                   /
      [duren]-----------[celle]`,
    );
  });

  it("marks a fibre without light, and the links of a node that does not answer", () => {
    assert.match(map(viewedRing({ link: cutBetween("celle", "duren") })), /\[duren\]-+ X -+\[celle\]/);
    const marks = map(viewedRing({ absent: { bonn: "stopped" } })).match(/\?/g);
    assert.equal(marks?.length, 2);
  });
});

describe("the picture of a network", () => {
  it("fits every terminal", () => {
    const views = [viewedRing(), viewedRing({ at: 1000, absent: { bonn: "stopped" } })];
    for (let columns = 20; columns <= 200; columns += 15) {
      for (let rows = 4; rows <= 70; rows += 6) {
        const history = new NetworkHistory();
        for (const view of views) history.add(view);
        const lines = networkFrame(history, WORDS, { columns, rows });
        assert.ok(lines.length <= rows, `${lines.length} lines on ${rows}`);
        for (const each of lines) assert.ok(widthOf(each) <= columns, `${widthOf(each)} cells on ${columns}`);
      }
    }
  });

  it("has map, nodes, links, pools and events on the smallest usual terminal", () => {
    const text = frame([viewedRing()], { columns: 80, rows: 24 }).join("\n");
    for (const part of ["[aachen]", "asked", "aachen--bonn", "pools: 20", "events"])
      assert.ok(text.includes(part), text);
  });

  it("shows a broken fibre first, with its reason", () => {
    const lines = frame([viewedRing({ link: cutBetween("celle", "duren") })]);
    const title = lines.findIndex((each) => each.startsWith("link "));
    assert.match(lines[title + 1]!, /^celle--duren +no key .* no light from the other end$/);
    assert.match(lines[title + 2]!, /^aachen--bonn +up +12\.4 kb\/s +2\.1 % +640 KiB +640 KiB$/);
  });

  it("shows empty pools first, then low ones", () => {
    const pool = <Pool extends { readonly remote: string; readonly keys: number }>(each: Pool, node: string): Pool => {
      if (node === "duren" && each.remote === "bonn") return { ...each, keys: 0 };
      if (node === "bonn" && each.remote === "essen") return { ...each, keys: 100 };
      return each;
    };
    const lines = frame([viewedRing({ pool })]);
    const title = lines.findIndex((each) => each.startsWith("pools: 20, keys of their target, 2 low"));
    assert.match(lines[title + 1]!, /^duren > bonn +\[\.{10}\] +0\/512 +bonn > essen +\[##\.{8}\] 100\/512$/);
  });

  it("tells requests a second over the last seconds, and who does not answer", () => {
    const asked = (requests: number) => (status: NonNullable<NetworkView["nodes"][number]["status"]>) => ({
      ...status,
      supply: { ...status.supply, requests },
    });
    const views = [0, 10, 20, 30].map((requests, second) => viewedRing({ at: 1000 * second, status: asked(requests) }));
    const text = frame([...views, viewedRing({ at: 4000, status: asked(40), absent: { celle: "stopped" } })]).join(
      "\n",
    );
    assert.match(text, /aachen +ready +40 +10\.0 +128 +0/);
    assert.match(text, /celle +stopped +- +- +-/);
  });
});

describe("events", () => {
  const eventsAfter = (...views: readonly NetworkView[]): readonly string[] => {
    const history = new NetworkHistory();
    for (const view of views) history.add(view);
    return history.events.map(({ sentence }) => sentence);
  };

  it("tell of nodes that go and come", () => {
    assert.deepEqual(
      eventsAfter(
        viewedRing(),
        viewedRing({ absent: { bonn: "stopped" } }),
        viewedRing({ absent: { bonn: "stopped" } }),
        viewedRing(),
      ),
      ["bonn does not answer: stopped", "bonn answers again", "link aachen--bonn is up", "link bonn--celle is up"],
    );
    const young = viewedRing({ status: (status) => (status.node === "essen" ? { ...status, uptimeMs: 5 } : status) });
    assert.deepEqual(eventsAfter(viewedRing(), young), ["essen was started again"]);
  });

  it("tell of a fibre once, though both ends see it", () => {
    const cut = viewedRing({ link: cutBetween("aachen", "bonn") });
    assert.deepEqual(eventsAfter(viewedRing(), cut, cut, viewedRing()), [
      "link aachen--bonn: no key, no light from the other end",
      "link aachen--bonn is up",
    ]);
  });

  it("tell of ways that became longer, shorter or none, not of equal ones", () => {
    const by = (...route: readonly string[]) =>
      viewedRing({
        status: (status) =>
          status.node !== "aachen"
            ? status
            : {
                ...status,
                map: {
                  ...status.map,
                  routes: [{ to: RING[2]!, ...(route.length === 0 ? {} : { route: route.map(parseNodeId) }) }],
                },
              },
      });
    assert.deepEqual(
      eventsAfter(
        by("bonn", "celle"),
        by("essen", "celle"),
        by("essen", "duren", "celle"),
        by(),
        by("bonn", "celle"),
        by("celle"),
      ),
      [
        "aachen reaches celle by essen, duren now",
        "aachen has no way to celle",
        "aachen reaches celle by bonn now",
        "aachen reaches celle directly now",
      ],
    );
  });

  it("tell a trouble once, however old it grows", () => {
    const told = (...troubles: readonly string[]) =>
      viewedRing({
        link: (link, node) => (node === "aachen" && link.neighbour === "bonn" ? { ...link, troubles } : link),
      });
    const bits = "the ends hold different bits in segment 01: discarded";
    assert.deepEqual(eventsAfter(viewedRing(), told(`${bits} (0 s ago)`), told(`${bits} (1 s ago)`), viewedRing()), [
      `aachen: link to bonn: ${bits}`,
    ]);
  });

  it("tell of pools that run empty, and when they are refilled, of key discarded, and of requests that found too little", () => {
    const keys = (count: number) =>
      viewedRing({
        pool: (pool, node) => (node === "celle" && pool.remote === "aachen" ? { ...pool, keys: count } : pool),
      });
    assert.deepEqual(eventsAfter(keys(3), keys(0), keys(0), keys(100), keys(300)), [
      "pool celle > aachen is empty",
      "pool celle > aachen is refilled",
    ]);
    const worse = viewedRing({
      status: (status) =>
        status.node !== "duren"
          ? status
          : {
              ...status,
              supply: { ...status.supply, shortages: status.supply.shortages + 2 },
              ledger: status.ledger.map(({ owner, balances }) =>
                owner === "link/duren--essen"
                  ? { owner, balances: { ...balances, discarded: 65_536, received: balances.received + 65_536 } }
                  : { owner, balances },
              ),
            },
    });
    assert.deepEqual(eventsAfter(viewedRing(), worse), [
      "duren discarded 64.0 KiB of link duren--essen",
      "duren: 2 requests found too little key",
    ]);
  });
});

describe("colours", () => {
  it("are left out where they are not wanted, and nothing else", () => {
    const history = new NetworkHistory();
    history.add(viewedRing({ link: cutBetween("aachen", "bonn") }));
    for (const each of networkFrame(history, WORDS, { columns: 100, rows: 40 })) {
      assert.equal(terminalText(each, true).replaceAll(RENDITION, "").trimEnd(), terminalText(each, false));
    }
  });
});
