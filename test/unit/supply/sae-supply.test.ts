import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isQkdError, type ErrorCode } from "../../../src/model/errors.ts";
import { segmentName, type KeyClass, type KeyId, type NodeId, type SaeId } from "../../../src/model/ids.ts";
import type { KeyRelay, RelayOutcome } from "../../../src/relay/key-relay.ts";
import type { RelayOrder } from "../../../src/relay/relay-order.ts";
import type { PoolDirectory } from "../../../src/relay/pool-directory.ts";
import { DemandBook } from "../../../src/pre-establishment/demand-book.ts";
import type { KeySupply, SuppliedKey } from "../../../src/supply/key-supply.ts";
import { createOnDemand } from "../../../src/supply/on-demand.ts";
import { createSaeDirectory } from "../../../src/supply/sae-directory.ts";
import { createSaeSupply } from "../../../src/supply/sae-supply.ts";
import { createSupplyMetrics } from "../../../src/supply/supply-metrics.ts";
import { createMemoryMetrics, type MemoryMetrics } from "../../fakes/memory-metrics.ts";
import { createRecordingLogger } from "../../fakes/recording-logger.ts";
import { A, C, DEFAULT, establish, openPoolEnds, type PoolEnds } from "../relay/pool-bench.ts";

const sae = (name: string): SaeId => name as SaeId;
const pair = { initiator: sae("alpha"), target: sae("gamma") };
const directory = createSaeDirectory(
  [
    { id: sae("alpha"), node: A },
    { id: sae("alpha-2"), node: A },
    { id: sae("gamma"), node: C },
    { id: sae("gamma-2"), node: C },
  ],
  [
    { between: [sae("alpha"), sae("gamma")], keyClass: DEFAULT },
    { between: [sae("alpha"), sae("gamma-2")], keyClass: DEFAULT },
    { between: [sae("alpha"), sae("alpha-2")], keyClass: DEFAULT },
  ],
);
const LIMITS = { keySizeDefaultBits: 256, keySizeMinBits: 64, keySizeMaxBits: 1024, keysPerRequestMax: 16 };

interface Bench extends PoolEnds {
  readonly atA: KeySupply;
  readonly atC: KeySupply;
  readonly metrics: MemoryMetrics;
  /** What was ordered of the relay, and what the next order comes to: establish by default. */
  readonly orders: RelayOrder[];
  relay: (order: RelayOrder) => Promise<RelayOutcome>;
  /** Why no relay may be tried. */
  blocked: string | undefined;
  /** What the link towards the target has. */
  padBytes: number;
  /** Of the initiator's node. */
  readonly demand: DemandBook;
}

async function open(lengths: readonly number[]): Promise<Bench> {
  const ends = await openPoolEnds("supply");
  const both = { outbound: ends.from.pool, inbound: ends.to.pool, epoch: ends.from.vault.epoch };
  if (lengths.length > 0) await establish(both, lengths);
  const orders: RelayOrder[] = [];
  const metrics = createMemoryMetrics();
  const bench: Pick<Bench, "relay" | "padBytes" | "blocked"> = {
    blocked: undefined,
    padBytes: 1_000_000,
    relay: async ({ segmentBytes }) => {
      await establish(both, segmentBytes);
      return { kind: "established", bytes: 0, routes: [[C]], tookMs: 20 };
    },
  };
  const relay: Pick<KeyRelay, "establish"> = {
    establish(order) {
      orders.push(order);
      return bench.relay(order);
    },
  };
  const demand = new DemandBook(ends.from.store.clock, () => undefined);
  const supplyAt = (
    self: NodeId,
    pools: Pick<PoolDirectory, "outbound" | "outboundPool" | "inboundPools">,
  ): KeySupply => {
    const { clock } = self === A ? ends.from.store : ends.to.store;
    return createSaeSupply(
      {
        self,
        directory,
        pools: pools as PoolDirectory,
        onDemand: createOnDemand({ relay, demand, log: createRecordingLogger() }),
        demand,
        blocked: () => bench.blocked,
        padBytes: () => bench.padBytes,
        clock,
        metrics: createSupplyMetrics(metrics),
        uuidVersion: 8,
        storedKeysMax: 1000,
      },
      LIMITS,
    );
  };
  const atA = supplyAt(A, { outbound: [ends.from.pool], outboundPool: () => ends.from.pool, inboundPools: () => [] });
  const atC = supplyAt(C, {
    outbound: [],
    outboundPool: () => undefined,
    inboundPools: (remote) => (remote === A ? [ends.to.pool] : []),
  });
  return Object.assign(bench, { ...ends, atA, atC, metrics, orders, demand });
}

const never = new AbortController().signal;
const ask = (bench: Bench, count = 1, sizeBits = 256): Promise<readonly SuppliedKey[]> =>
  bench.atA.encryptionKeys({ pair, count, sizeBits }, never);
const fetchKeys = (bench: Bench, ids: readonly KeyId[], as = pair): Promise<readonly SuppliedKey[]> =>
  bench.atC.decryptionKeys({ pair: as, ids }, never);
const idsOf = (keys: readonly SuppliedKey[]): KeyId[] => keys.map(({ id }) => id);
const bitsOf = ({ material }: SuppliedKey): string => material.expose((bytes) => Buffer.from(bytes).toString("hex"));
const refused =
  (code: ErrorCode, field?: string) =>
  (failure: unknown): boolean =>
    isQkdError(failure, code) && (field === undefined || failure.facts["field"] === field);

describe("key supply", () => {
  it("gives both ends the same keys, by ids alone, in any order and number", async () => {
    const bench = await open([320, 320]);
    const keys = await ask(bench, 12);
    const fetched = [...(await fetchKeys(bench, idsOf(keys).reverse().slice(0, 7)))];
    fetched.push(...(await fetchKeys(bench, idsOf(keys).slice(0, 5))));
    assert.deepEqual(fetched.map(bitsOf).sort(), keys.map(bitsOf).sort());
    assert.equal(new Set(keys.map(bitsOf)).size, 12);
    assert.deepEqual(bench.orders, [], "no other node was asked");
  });

  it("gives each key once to each side", async () => {
    const bench = await open([320]);
    const ids = idsOf(await ask(bench, 2));
    await fetchKeys(bench, ids.slice(0, 1));
    await assert.rejects(fetchKeys(bench, ids), refused("KEY_UNKNOWN"));
    assert.equal((await fetchKeys(bench, ids.slice(1))).length, 1, "the refused request spent nothing");
  });

  it("ids stay readable when somebody forged founding relays in the initiator's name, before or after the true one", async () => {
    const bench = await open([]);
    const { epoch } = bench.from.vault;
    const forge = (number: number): Promise<void> => {
      const [idSecret, bytes] = [new Uint8Array(64).fill(number), new Uint8Array(96).fill(number)];
      const segment = { name: segmentName(epoch, 1000 + number), lengthBytes: 96, expiresAt: 2_000_000_000_000, bytes };
      const provenance = { origin: A, routes: [[C]] as const, establishedAt: 0 };
      return bench.to.pool.add({ segments: [segment], idSecret, proofKeyBytes: 32, provenance });
    };
    await forge(1);
    const [before] = idsOf(await ask(bench));
    await forge(2);
    const [after] = idsOf(await ask(bench));
    const fetched = await fetchKeys(bench, [before!, after!]);
    assert.equal(fetched.length, 2);
  });

  it("tells a key of another pair from no key, and spends neither", async () => {
    const bench = await open([320]);
    const [id] = idsOf(await ask(bench));
    const other = { ...pair, target: sae("gamma-2") };
    await assert.rejects(fetchKeys(bench, [id!], other), refused("KEY_FOREIGN"));
    const guess = "00000000-0000-8000-8000-000000000000" as KeyId;
    await assert.rejects(fetchKeys(bench, [guess]), refused("KEY_UNKNOWN"));
    assert.equal((await fetchKeys(bench, [id!])).length, 1);
  });

  it("refuses what no stock could satisfy, names the field, and spends nothing", async () => {
    const bench = await open([320]);
    for (const [count, bits, field] of [
      [0, 256, "number"],
      [17, 256, "number"],
      [1.5, 256, "number"],
      [NaN, 256, "number"],
      [1, 56, "size"],
      [1, 1032, "size"],
      [1, 100, "size"],
      [1, Infinity, "size"],
    ] as const) {
      await assert.rejects(ask(bench, count, bits), refused("REQUEST_INVALID", field), `${count} of ${bits}`);
    }
    const [id] = idsOf(await ask(bench));
    await assert.rejects(fetchKeys(bench, []), refused("REQUEST_INVALID", "key_IDs"));
    await assert.rejects(fetchKeys(bench, [id!, id!.toUpperCase() as KeyId]), refused("REQUEST_INVALID", "key_IDs"));
    await assert.rejects(fetchKeys(bench, [id!, id!.replaceAll("-", "") as KeyId]), refused("KEY_UNKNOWN"));
    assert.equal((await fetchKeys(bench, [id!])).length, 1);
    assert.equal(bench.from.vault.ledger.balances(bench.from.pool.ledger).supplied, 32);
  });

  it("denies who is not listed, not at this node, or not allowed with the other", async () => {
    const bench = await open([320]);
    const as = (initiator: string, target: string): Promise<unknown> =>
      bench.atA.encryptionKeys(
        { pair: { initiator: sae(initiator), target: sae(target) }, count: 1, sizeBits: 256 },
        never,
      );
    await assert.rejects(as("alpha", "nobody"), refused("SAE_UNKNOWN"));
    await assert.rejects(as("nobody", "gamma"), refused("SAE_NOT_ALLOWED"));
    await assert.rejects(as("gamma", "alpha"), refused("SAE_NOT_ALLOWED"));
    await assert.rejects(as("alpha-2", "gamma"), refused("SAE_NOT_ALLOWED"));
    await assert.rejects(as("alpha", "alpha-2"), refused("SAE_NOT_ALLOWED"));
    await assert.rejects(
      fetchKeys(bench, ["x" as KeyId], { ...pair, target: sae("alpha") }),
      refused("SAE_NOT_ALLOWED"),
    );
  });

  it("a pool too short brings relays, ahead of refilling, until all who wait are served", async () => {
    const bench = await open([]);
    const requests = await Promise.all(Array.from({ length: 5 }, () => ask(bench, 1)));
    assert.equal(new Set(requests.flat().map(bitsOf)).size, 5);
    assert.ok(bench.orders.length <= 5, `${bench.orders.length} relays for five requests`);
    assert.ok(bench.orders.every(({ urgency }) => urgency === "on-demand"));
    assert.equal(bench.metrics.value("qkdn_pool_miss_total", "c", "default", "latency"), 5);
  });

  it("one relay at a time, however many wait", async () => {
    const bench = await open([]);
    const { relay } = bench;
    let atOnce = 0;
    let most = 0;
    bench.relay = async (order) => {
      most = Math.max(most, ++atOnce);
      const outcome = await relay(order);
      atOnce -= 1;
      return outcome;
    };
    await Promise.all(Array.from({ length: 8 }, () => ask(bench, 2)));
    assert.equal(most, 1);
  });

  it("where relays fail the SAE hears soon that there is too little, and nothing is spent", async () => {
    const bench = await open([64]);
    bench.relay = () => Promise.resolve({ kind: "no-route" });
    const before = bench.from.vault.ledger.balances(bench.from.pool.ledger);
    await assert.rejects(ask(bench, 3), (failure) => {
      assert.ok(refused("KEY_SHORTAGE")(failure));
      return isQkdError(failure) && Number(failure.facts["retryAfterMs"]) > 0;
    });
    assert.ok(bench.orders.length <= 3);
    assert.deepEqual(bench.from.vault.ledger.balances(bench.from.pool.ledger), before);
    assert.equal((await ask(bench, 2)).length, 2);
  });

  it("while too few disjoint routes are there, stock serves; then the SAE is told why, and no relay is tried", async () => {
    const bench = await open([32]);
    bench.blocked = "waits: 1 of 2 disjoint routes are there";
    assert.equal((await ask(bench)).length, 1);
    await assert.rejects(ask(bench), (failure: unknown) => {
      assert.ok(isQkdError(failure, "KEY_SHORTAGE"));
      assert.match(String(failure.facts["reason"]), /disjoint routes/);
      return true;
    });
    assert.deepEqual(bench.orders, []);
  });

  it("tells a miss that more stock would have cured from one for want of pad", async () => {
    const bench = await open([]);
    const causes = (): readonly number[] =>
      ["latency", "supply"].map((cause) => bench.metrics.value("qkdn_pool_miss_total", "c", "default", cause));
    await ask(bench, 1);
    assert.deepEqual(causes(), [1, 0], "the relay had pad");
    bench.padBytes = 31;
    await ask(bench, 1);
    assert.deepEqual(causes(), [1, 1], "our own link had too little when the request came");
    bench.padBytes = 1_000;
    bench.relay = () => Promise.resolve({ kind: "refused", reason: "no-pad", atHop: C });
    await assert.rejects(ask(bench, 1), refused("KEY_SHORTAGE"));
    assert.deepEqual(causes(), [1, 2], "a hop further on had none");
    bench.relay = () => Promise.resolve({ kind: "refused", reason: "busy", atHop: C });
    await assert.rejects(ask(bench, 1), refused("KEY_SHORTAGE"));
    assert.deepEqual(causes(), [1, 3], "no relay came through");
    assert.deepEqual(bench.demand.of(bench.from.pool.id).misses, { latency: 1, supply: 3 });
  });

  it("tells those who plan of all that was asked for, what waits, and what is left behind a request", async () => {
    const bench = await open([640]);
    const estimates = bench.demand.of(bench.from.pool.id);
    const { clock } = bench.from.store;
    await ask(bench, 2);
    assert.equal(estimates.demand(clock.monotonic()).lowestStockBytes, 640 - 64);
    const gate = Promise.withResolvers<RelayOutcome>();
    bench.relay = () => gate.promise;
    const refusedLater = assert.rejects(ask(bench, 16, 1024), refused("KEY_SHORTAGE"));
    await new Promise((done) => setImmediate(done));
    assert.equal(estimates.waitingBytes, 16 * 128);
    gate.resolve({ kind: "no-route" });
    await refusedLater;
    const { largestWindowBytes, longestKeyBytes, lowestStockBytes } = estimates.demand(clock.monotonic());
    assert.deepEqual([largestWindowBytes, longestKeyBytes, lowestStockBytes], [64 + 16 * 128, 128, 0]);
    assert.deepEqual([estimates.waitingBytes, estimates.hits], [0, 1]);
  });

  it("the deadline of a request ends its wait, not the relay that others wait for", async () => {
    const bench = await open([]);
    const gate = Promise.withResolvers<void>();
    const { relay } = bench;
    bench.relay = (order) => gate.promise.then(() => relay(order));
    const hasty = new AbortController();
    const early = bench.atA.encryptionKeys({ pair, count: 1, sizeBits: 256 }, hasty.signal);
    const patient = ask(bench, 1);
    hasty.abort();
    await assert.rejects(early, refused("KEY_SHORTAGE"));
    gate.resolve();
    assert.equal((await patient).length, 1);
  });

  it("says how many keys could be supplied now, of the usual size, whole ones only", async () => {
    const bench = await open([100, 100]);
    assert.equal(bench.atA.status(pair).storedKeys, 6);
    await ask(bench, 1);
    assert.equal(bench.atA.status(pair).storedKeys, 5);
  });

  it("an SAE that guesses ids is slowed down, and only that one", async () => {
    const bench = await open([320]);
    const guess = "00000000-0000-8000-8000-000000000000" as KeyId;
    for (let i = 0; i < 21; i++) await assert.rejects(fetchKeys(bench, [guess]), refused("KEY_UNKNOWN"));
    let answered = false;
    const slow = assert.rejects(fetchKeys(bench, [guess])).then(() => (answered = true));
    await bench.to.store.world.run(200);
    assert.ok(!answered);
    await assert.rejects(fetchKeys(bench, [guess], { ...pair, target: sae("gamma-2") }), refused("KEY_UNKNOWN"));
    await bench.to.store.world.run(100);
    await slow;
    await bench.to.store.world.run(11_000);
    const [id] = idsOf(await ask(bench));
    assert.equal((await fetchKeys(bench, [id!])).length, 1);
  });
});

describe("the directory of SAEs", () => {
  it("allows listed pairs in both roles, and gives the class of their pools", () => {
    assert.deepEqual(directory.pair(pair), { initiatorNode: A, targetNode: C, keyClass: DEFAULT });
    assert.deepEqual(directory.pair({ initiator: pair.target, target: pair.initiator }), {
      initiatorNode: C,
      targetNode: A,
      keyClass: DEFAULT,
    });
  });

  it("denies by default, and tells an unknown SAE from a pair that is not listed", () => {
    assert.throws(() => directory.pair({ ...pair, target: sae("nobody") }), refused("SAE_UNKNOWN"));
    assert.throws(
      () => directory.pair({ initiator: sae("alpha-2"), target: sae("gamma") }),
      refused("SAE_NOT_ALLOWED"),
    );
    assert.equal(directory.knows(sae("nobody")), false);
  });

  it("gives a node one pool for each remote node and class, and none towards itself", () => {
    const gold = "gold" as KeyClass;
    const more = createSaeDirectory(
      [
        { id: sae("x"), node: A },
        { id: sae("y"), node: C },
        { id: sae("z"), node: A },
      ],
      [
        { between: [sae("x"), sae("y")], keyClass: DEFAULT },
        { between: [sae("y"), sae("z")], keyClass: DEFAULT },
        { between: [sae("y"), sae("x")], keyClass: gold },
        { between: [sae("x"), sae("z")], keyClass: gold },
      ],
    );
    assert.deepEqual(more.poolsOf(A), [
      { remote: C, keyClass: DEFAULT },
      { remote: C, keyClass: gold },
    ]);
  });
});
