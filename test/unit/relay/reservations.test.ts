import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { KeyClass, RelayId } from "../../../src/model/ids.ts";
import type { RelayReservation } from "../../../src/peer/peer-messages.ts";
import { PadReservations, RESERVATION_MS } from "../../../src/relay/pad-reservations.ts";
import type { PoolDirectory } from "../../../src/relay/pool-directory.ts";
import { createRelayMetrics } from "../../../src/relay/relay-metrics.ts";
import { ReservationHop } from "../../../src/relay/reservation-hop.ts";
import { createMemoryMetrics } from "../../fakes/memory-metrics.ts";
import { createMemoryStore } from "../store/vault-bench.ts";
import { openInbound } from "./pool-bench.ts";
import type { SplitPolicy } from "../../../src/relay/split-policy.ts";
import { answersOf, node, standInLink } from "./stand-in-link.ts";

const relay = (i: number): RelayId => i.toString(16).padStart(32, "0") as RelayId;
/** What the frames of a relay may cost beyond its payload. */
const OVERHEAD = 64;

/** Node "b" between "a" and "c", which is the target of a pool of "a" as well. */
async function openHop(inboundPoolBytesMax = 1_000_000, split?: SplitPolicy) {
  const store = createMemoryStore("reservations");
  const vault = await store.open();
  const inbound = await openInbound(vault, store.clock);
  const [a, c] = [standInLink("a"), standInLink("c")];
  const pools: Pick<PoolDirectory, "inboundPool"> = {
    inboundPool: (remote, keyClass) => (remote === "a" && keyClass === "default" ? inbound : undefined),
  };
  const freed: string[] = [];
  const reservations = new PadReservations(store.clock, (link) => freed.push(link.neighbour));
  const drains = { now: false };
  const hop = new ReservationHop({
    draining: () => drains.now,
    self: node("b"),
    links: new Map([a, c].map(({ link }) => [link.neighbour, link])),
    pools: pools as PoolDirectory,
    reservations,
    clock: store.clock,
    metrics: createRelayMetrics(createMemoryMetrics()),
    inboundPoolBytesMax,
    splitOf: () => split,
  });
  return { hop, a, c, store, reservations, freed, drains };
}

const request = (change: Partial<RelayReservation> = {}): RelayReservation => ({
  kind: "relay-reservation",
  relay: relay(1),
  origin: node("a"),
  keyClass: "default" as KeyClass,
  route: [node("b"), node("c")],
  totalBytes: 1_000,
  urgency: "refill",
  shares: 1,
  ...change,
});

const granted = (i: number) =>
  ({ kind: "relay-reservation-answer", relay: relay(i), outcome: { kind: "granted" } }) as const;

const refusedAtC = (i: number) =>
  ({
    kind: "relay-reservation-answer",
    relay: relay(i),
    outcome: { kind: "refused", reason: "no-pad", atHop: node("c") },
  }) as const;

describe("a hop that is asked to keep pad", () => {
  it("keeps it, asks the next hop, and brings the answer back once", async () => {
    const { hop, a, c, reservations } = await openHop();
    const before = reservations.freeBytes(c.link, "refill");
    hop.request(a.link, request());
    assert.deepEqual(c.sent, [request({ route: [node("c")] })]);
    assert.equal(before - reservations.freeBytes(c.link, "refill"), 1_000 + OVERHEAD);
    assert.equal(hop.answer(a.link, granted(1)), false, "not from where it was asked");
    assert.equal(hop.answer(c.link, granted(1)), true);
    assert.equal(hop.answer(c.link, granted(1)), false);
    assert.deepEqual(answersOf(a), ["granted"]);
  });

  it("lets go when a later hop refuses, and passes on who it was", async () => {
    const { hop, a, c, reservations, freed } = await openHop();
    const before = reservations.freeBytes(c.link, "refill");
    hop.request(a.link, request());
    hop.answer(c.link, refusedAtC(1));
    assert.deepEqual([answersOf(a), freed], [["no-pad at c"], ["c"]]);
    assert.equal(reservations.freeBytes(c.link, "refill"), before);
  });

  it("keeps none while it is drained, also for relays that would end here", async () => {
    const { hop, a, c, drains } = await openHop();
    drains.now = true;
    hop.request(a.link, request());
    hop.request(a.link, request({ route: [node("b")] }));
    assert.deepEqual([answersOf(a), c.sent], [["draining at b", "draining at b"], []]);
  });

  it("refuses at once what it cannot promise, and keeps nothing then", async () => {
    for (const [what, asked, bend, refusal] of [
      ["too little pad", request({ totalBytes: 10_001 }), "padBytes", "no-pad at b"],
      ["no session", request(), "up", "unreachable at b"],
      ["a full line", request(), "lineFull", "busy at b"],
      ["no such neighbour", request({ route: [node("b"), node("z")] }), undefined, "not-admitted at b"],
      ["the way back", request({ route: [node("b"), node("a")] }), undefined, "not-admitted at b"],
      ["a route that begins elsewhere", request({ route: [node("c")] }), undefined, "not-admitted at b"],
      ["a relay larger than any", request({ totalBytes: 1_000_000 }), undefined, "not-admitted at b"],
    ] as const) {
      const { hop, a, c, reservations } = await openHop();
      if (bend === "padBytes") c.padBytes = 10_000;
      if (bend === "up") c.up = false;
      if (bend === "lineFull") c.lineFull = true;
      const before = reservations.freeBytes(c.link, "refill");
      hop.request(a.link, asked);
      assert.deepEqual(answersOf(a), [refusal], what);
      assert.equal(reservations.freeBytes(c.link, "refill"), before, what);
    }
  });

  it("promises the same pad to one relay only", async () => {
    const { hop, a, c } = await openHop();
    c.padBytes = 2_000;
    hop.request(a.link, request());
    hop.request(a.link, request({ relay: relay(2) }));
    assert.deepEqual(answersOf(a), ["no-pad at b"]);
  });

  it("promises pad to an on-demand relay that a refill had reserved, but not that of another on-demand relay", async () => {
    const { hop, a, c } = await openHop();
    c.padBytes = 2_000;
    hop.request(a.link, request());
    hop.request(a.link, request({ relay: relay(2), urgency: "on-demand" }));
    assert.deepEqual(answersOf(a), []);
    hop.request(a.link, request({ relay: relay(3), urgency: "on-demand" }));
    assert.deepEqual(answersOf(a), ["no-pad at b"]);
  });

  it("forgets what nobody came for", async () => {
    const { hop, a, c, store, reservations } = await openHop();
    const before = reservations.freeBytes(c.link, "refill");
    hop.request(a.link, request());
    await store.world.run(RESERVATION_MS + 1);
    assert.equal(reservations.freeBytes(c.link, "refill"), before);
    assert.equal(hop.answer(c.link, granted(1)), false);
  });

  it("says that the next hop is lost, and lets go", async () => {
    const { hop, a, c, reservations } = await openHop();
    const before = reservations.freeBytes(c.link, "refill");
    hop.request(a.link, request());
    hop.down(c.link);
    assert.deepEqual(answersOf(a), ["unreachable at b"]);
    assert.equal(reservations.freeBytes(c.link, "refill"), before);
  });

  it("asks no more than its bound at once", async () => {
    const { hop, a } = await openHop();
    for (let i = 0; i < 129; i++) hop.request(a.link, request({ relay: relay(i), totalBytes: 1 }));
    assert.deepEqual(answersOf(a), ["busy at b"]);
  });
});

describe("a destination that is asked for room", () => {
  const here = request({ route: [node("b")] });

  it("grants a pool that it has, and refuses one that it has not", async () => {
    const { hop, a } = await openHop();
    hop.request(a.link, here);
    hop.request(a.link, { ...here, relay: relay(2), keyClass: "gold" as KeyClass });
    assert.deepEqual(answersOf(a), ["granted", "not-admitted at b"]);
  });

  it("refuses key by fewer routes than the pool's policy wants, before any pad was spent for it", async () => {
    const { hop, a } = await openHop(undefined, { disjointPaths: 2, whenTooFewRoutes: "wait" });
    for (const [i, shares] of [0, 1, 2].entries()) hop.request(a.link, { ...here, relay: relay(i), shares });
    assert.deepEqual(answersOf(a), ["not-admitted at b", "not-admitted at b", "granted"]);
  });

  it("is busy while the pool is full, before any pad was spent for it", async () => {
    const { hop, a } = await openHop(-1);
    hop.request(a.link, here);
    assert.deepEqual(answersOf(a), ["busy at b"]);
  });
});

describe("a relay that comes for its pad", () => {
  it("keeps it until it is over, frame by frame", async () => {
    const { c, reservations, store } = await openHop();
    c.padBytes = 5_000;
    reservations.reserve(relay(1), c.link, 1_000, "refill");
    assert.equal(reservations.claim(relay(1), c.link, 1_000), true);
    await store.world.run(10 * RESERVATION_MS);
    c.padBytes -= 600;
    reservations.spent(relay(1), 600);
    assert.equal(reservations.freeBytes(c.link, "refill"), 4_400 - 400 - 2 * OVERHEAD);
    reservations.release(relay(1));
    assert.equal(reservations.freeBytes(c.link, "refill"), 4_400 - OVERHEAD);
  });

  it("gets nothing when on-demand relays took it meanwhile", async () => {
    const { c, reservations } = await openHop();
    c.padBytes = 2_000;
    reservations.reserve(relay(1), c.link, 1_500, "refill");
    c.padBytes = 1_000;
    assert.equal(reservations.claim(relay(1), c.link, 1_500), false);
    assert.equal(reservations.freeBytes(c.link, "refill"), 1_000 - OVERHEAD);
  });

  it("gets only what nobody has reserved when it reserved nothing itself", async () => {
    const { c, reservations } = await openHop();
    c.padBytes = 2_000;
    reservations.reserve(relay(1), c.link, 1_500, "refill");
    assert.equal(reservations.claim(relay(2), c.link, 1_000), false);
    assert.equal(reservations.claim(relay(3), c.link, 200), true);
  });
});
