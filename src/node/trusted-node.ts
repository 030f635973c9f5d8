/** One whole node, wired from ports: the only place where the rooms meet. */
import { linkIdBetween, type Incarnation, type NodeId } from "../model/ids.ts";
import { BITS_PER_BYTE } from "../model/units.ts";
import { createLinkMetrics } from "../link/link-metrics.ts";
import { openQkdLink, type LinkListener, type QkdLink } from "../link/qkd-link.ts";
import { DemandBook } from "../pre-establishment/demand-book.ts";
import type { PoolView, PreEstablishmentStrategy } from "../pre-establishment/pre-establishment-strategy.ts";
import type { PoolEstimates } from "../pre-establishment/pool-estimates.ts";
import { createPreEstablishmentMetrics } from "../pre-establishment/pre-establishment-metrics.ts";
import { createRestorationMetrics } from "../pre-establishment/restoration-metrics.ts";
import { Scheduler } from "../pre-establishment/scheduler.ts";
import { type PoolMoment, ServiceRestoration } from "../pre-establishment/service-restoration.ts";
import { strategies } from "../pre-establishment/strategies/index.ts";
import { auditEstablish } from "../relay/audited-relay.ts";
import { createKeyRelay, type KeyRelay } from "../relay/key-relay.ts";
import type { OutboundPool } from "../relay/outbound-pool.ts";
import { PadReservations } from "../relay/pad-reservations.ts";
import { openPoolDirectory, type PoolDirectory } from "../relay/pool-directory.ts";
import type { PoolId } from "../relay/pool-records.ts";
import { RelayControl } from "../relay/relay-control.ts";
import { RelayHop } from "../relay/relay-hop.ts";
import { createRelayMetrics } from "../relay/relay-metrics.ts";
import { ReservationHop } from "../relay/reservation-hop.ts";
import { createSplitMetrics } from "../relay/split-metrics.ts";
import type { SplitPolicy } from "../relay/split-policy.ts";
import { clockTroublesOf } from "../runtime/clock-troubles.ts";
import { createSteadyClock, type SteadyClock } from "../runtime/steady-clock.ts";
import { randomName } from "../runtime/random.ts";
import type { Scope } from "../runtime/scope.ts";
import { openKeyVault, type KeyVault } from "../store/key-vault.ts";
import { runRewraps } from "../store/rewrap-schedule.ts";
import { directoryFingerprints } from "../supply/directory-fingerprints.ts";
import type { KeySupply } from "../supply/key-supply.ts";
import { createSaeDirectory } from "../supply/sae-directory.ts";
import type { AdvertisedLink } from "../peer/peer-messages.ts";
import { createTopology, type Topology } from "../topology/topology.ts";
import { checkNodeConfig, gradeOf, policyOf, type NodeConfig } from "./config.ts";
import {
  collectEstimates,
  collectInboundKeys,
  collectLink,
  collectPlan,
  collectPool,
  collectSplit,
} from "./node-metrics.ts";
import { NodeDrain } from "./node-drain.ts";
import { LossAudit } from "./loss-audit.ts";
import { createLinkListener } from "./link-listener.ts";
import { createNodeSupply } from "./node-supply.ts";
import { withPairLabels } from "./pair-labels.ts";
import { PoolReach } from "./pool-reach.ts";
import type { NodePorts } from "./ports.ts";
import { settleRemovedStock } from "./removed-stock.ts";
import { StoreRollback } from "./store-rollback.ts";

const SWEEP_PERIOD_MS = 10_000;
const CONTROL_PERIOD_MS = 1_000;

export interface TrustedNode {
  readonly id: NodeId;
  readonly incarnation: Incarnation;
  readonly supply: KeySupply;
  readonly vault: KeyVault;
  readonly links: readonly QkdLink[];
  readonly pools: PoolDirectory;
  readonly scheduler: Scheduler;
  readonly relay: KeyRelay;
  readonly topology: Topology;
  readonly reach: PoolReach;
  readonly drain: NodeDrain;
  /** Relays under way: begun here, passing through, or arriving. */
  relaysUnderWay(): number;
  /** What a pool holds, and what is planned for it. */
  view(pool: OutboundPool): PoolView;
  strategy(pool: OutboundPool): PreEstablishmentStrategy;
  /** Demand for it, and how its relays went. */
  estimates(pool: OutboundPool): PoolEstimates;
  /**
   * Destroys all key of this node, on its disk and in memory. The process must end then.
   *
   * @returns how many pieces of stock there were
   * @throws QkdError STORE_FAILED  the disk failed; what was in memory is gone all the same
   */
  zeroize(): Promise<number>;
  /** What the operator has to know beyond links and pools. */
  alarms(): readonly string[];
  /** What the store keeps of links and pools that the configuration does not name, as sentences. */
  readonly removedStock: readonly string[];
  /** What is wrong with the machine's wall clock. The node serves all the same. */
  clockTroubles(): readonly string[];
}

/**
 * Opens a node: its store is recovered, and it serves from stock, when this returns. Links, modules and pools come up behind.
 *
 * @throws QkdError CONFIG_INVALID    with the field's path
 * @throws QkdError STORE_DAMAGED, VERSION_MISMATCH  as `openKeyVault`
 * @throws QkdError PORT_IN_USE       the transport cannot listen
 */
export async function openTrustedNode(config: NodeConfig, outside: NodePorts, scope: Scope): Promise<TrustedNode> {
  checkNodeConfig(config);
  const steady = createSteadyClock(outside.clock); // no room meets a wall clock that jumps
  const ports = { ...outside, clock: steady };
  const vault = await openKeyVault({ ...ports, onFailure: ports.onFatal });
  const directory = createSaeDirectory(config.saes, config.pairs);
  const { clock, log } = ports;
  const splitOf = (pool: PoolId): SplitPolicy | undefined => policyOf(config, pool).split;
  const pools = await openPoolDirectory(directory.poolsOf(config.node), { vault, clock, log, splitOf });
  const node = new OpenNode(config, ports, vault, pools, directory);
  await node.openLinks(scope);
  node.tellLosses();
  node.removedStock = await settleRemovedStock({ vault, log }, node, { discard: config.discardRemoved });
  const orphans = await vault.sweepUnclaimed();
  if (orphans > 0) ports.log.info("data keys that no record names were destroyed", { dataKeys: orphans });
  node.spawnAll(scope);
  await ports.transport.serve((session) => node.accept(session), scope);
  ports.log.info("node open", { epoch: vault.epoch, incarnation: node.incarnation });
  return node;
}

type SteadyPorts = NodePorts & { readonly clock: SteadyClock };

class OpenNode implements TrustedNode {
  readonly id: NodeId;
  readonly incarnation: Incarnation;
  readonly supply: KeySupply;
  readonly vault: KeyVault;
  readonly pools: PoolDirectory;
  readonly scheduler: Scheduler;
  readonly relay: KeyRelay;
  readonly reach: PoolReach;
  readonly #config: NodeConfig;
  readonly #ports: SteadyPorts;
  readonly topology: Topology;
  readonly #byNeighbour = new Map<NodeId, QkdLink>();
  readonly #hop: RelayHop;
  readonly #reservations: PadReservations;
  readonly #reservationHop: ReservationHop;
  readonly #control: RelayControl;
  readonly #demand: DemandBook;
  readonly #rollback: StoreRollback;
  readonly #losses: LossAudit;
  removedStock: readonly string[] = [];
  readonly drain: NodeDrain;
  readonly #linkMetrics: ReturnType<typeof createLinkMetrics>;
  readonly #splitMetrics: ReturnType<typeof createSplitMetrics>;

  constructor(
    config: NodeConfig,
    ports: SteadyPorts,
    vault: KeyVault,
    pools: PoolDirectory,
    directory: ReturnType<typeof createSaeDirectory>,
  ) {
    const { clock, random, log, audit } = ports;
    const metrics = withPairLabels(config.node, ports.metrics);
    this.#config = config;
    this.#ports = ports;
    this.id = config.node;
    this.incarnation = randomName(random, 8) as Incarnation;
    this.vault = vault;
    this.#losses = new LossAudit(vault.ledger, audit);
    this.pools = pools;
    this.drain = new NodeDrain(config.node);
    this.#rollback = new StoreRollback({ log, audit, burnAll: () => this.#burnAll() });
    this.#linkMetrics = createLinkMetrics(metrics);
    this.#splitMetrics = createSplitMetrics(metrics);
    this.#demand = new DemandBook(clock, (of) => this.scheduler.notice(of));
    this.topology = this.#createTopology(metrics);
    const { router } = this.topology;
    const { incarnation } = this;
    const shared = { self: config.node, incarnation, links: this.#byNeighbour, clock, random, log, audit };
    const relayMetrics = createRelayMetrics(metrics);
    this.#reservations = new PadReservations(clock, (link) => this.relay.padsAvailable(link));
    const draining = (): boolean => this.drain.active;
    const relayParts = { ...shared, draining, router, pools, reservations: this.#reservations, metrics: relayMetrics };
    const { inboundPoolBytesMax } = config;
    const pool: (target: NodeId, keyClass: OutboundPool["id"]["keyClass"]) => OutboundPool | undefined = (...id) =>
      pools.outboundPool(...id);
    const splitOf = (of: PoolId): SplitPolicy | undefined => policyOf(config, of).split;
    this.reach = new PoolReach({ ...relayParts, splitOf });
    this.relay = createKeyRelay({
      ...relayParts,
      pool,
      splitOf,
      splitMetrics: this.#splitMetrics,
      keyLifetimeMs: config.keyLifetimeMs,
    });
    this.#hop = new RelayHop({ ...relayParts, inboundPoolBytesMax, splitOf });
    this.#reservationHop = new ReservationHop({ ...relayParts, inboundPoolBytesMax, splitOf });
    this.#control = new RelayControl(relayParts);
    const relaying = { establish: this.drain.gate(auditEstablish(this.relay, ports)) };
    const supplyParts = { self: this.id, directory, pools, reach: this.reach, relay: relaying, demand: this.#demand };
    this.supply = createNodeSupply({ ...supplyParts, metrics, ports }, config.supply);
    const planMetrics = createPreEstablishmentMetrics(metrics);
    this.scheduler = new Scheduler({
      pools: pools.outbound,
      view: (of) => this.view(of),
      strategy: (of) => this.strategy(of),
      relay: relaying,
      relayed: (of, durationMs) => this.#demand.relayed(of, durationMs),
      clock,
      log,
      metrics: planMetrics,
    });
    metrics.beforeScrape(() => this.#collect(relayMetrics, planMetrics));
  }

  tellLosses(): void {
    this.#losses.look();
  }

  get links(): readonly QkdLink[] {
    return [...this.#byNeighbour.values()];
  }

  relaysUnderWay(): number {
    return this.drain.underWay + this.#hop.underWay;
  }

  alarms(): readonly string[] {
    return this.#rollback.alarms();
  }

  clockTroubles(): readonly string[] {
    return clockTroublesOf(this.#ports.clock, this.vault.epoch);
  }

  view(pool: OutboundPool): PoolView {
    const { remote: target, keyClass } = pool.id;
    const policy = policyOf(this.#config, pool.id);
    const estimates = this.#demand.of(pool.id);
    const demand = estimates.demand(this.#ports.clock.monotonic());
    return {
      target,
      keyClass,
      grade: gradeOf(policy, keyClass),
      policy,
      stockBytes: pool.stockBytesFor(demand.longestKeyBytes),
      inFlightBytes: this.relay.inFlightBytes(target, keyClass),
      waitingBytes: estimates.waitingBytes,
      keyBytes: this.#config.supply.keySizeDefaultBits / BITS_PER_BYTE,
      reachableBytes: this.reach.reachableBytes(pool.id),
      blocked: this.reach.ways(pool.id).blocked,
      demand,
      leadTime: estimates.leadTime,
      misses: estimates.misses,
    };
  }

  strategy(pool: OutboundPool): PreEstablishmentStrategy {
    return strategies.get(this.view(pool).policy.strategy)!;
  }

  estimates(pool: OutboundPool): PoolEstimates {
    return this.#demand.of(pool.id);
  }

  async openLinks(scope: Scope): Promise<void> {
    const { drivers, driverHost } = this.#ports;
    for (const { neighbour, driver: name, driverConfig, limits } of this.#config.links) {
      const driver = drivers.driver(name);
      const inner = scope.child(`link ${linkIdBetween(this.id, neighbour)}`);
      inner.closed.catch((failure: unknown) => this.#ports.onFatal(failure as Error)); // our own bug, or the store
      const link = await openQkdLink(
        {
          ...this.#ports,
          self: this.id,
          neighbour,
          incarnation: this.incarnation,
          directory: directoryFingerprints(this.#config.saes, this.#config.pairs),
          vault: this.vault,
          driver,
          driverConfig: driver.parseConfig(driverConfig),
          host: driverHost,
          metrics: this.#linkMetrics,
          intakePaused: () => this.drain.active,
          onRollback: (at, { journalSeen, journalOnDisk }) => this.#rollback.found(at, { journalSeen, journalOnDisk }),
        },
        limits,
        this.#listener(),
        inner,
      );
      this.#byNeighbour.set(neighbour, link);
    }
  }

  accept(session: Parameters<QkdLink["adopt"]>[0]): void {
    const link = this.#byNeighbour.get(session.remote);
    if (link === undefined) session.close(`${this.id} has no QKD link to ${session.remote}`);
    else link.adopt(session);
  }

  spawnAll(scope: Scope): void {
    scope.defer("pools", () => this.#eraseMemory());
    scope.spawn("pre-establishment", (signal) => this.scheduler.run(signal));
    const metrics = createRestorationMetrics(withPairLabels(this.id, this.#ports.metrics));
    const restoration = new ServiceRestoration({
      pools: () => this.pools.outbound.map((pool) => this.#momentOf(pool)),
      clock: this.#ports.clock,
      metrics,
    });
    scope.spawn("restoration", (signal) => restoration.run(signal));
    scope.spawn("adverts", (signal) => this.topology.flood.run(signal));
    scope.spawn("control", (signal) => this.#every(CONTROL_PERIOD_MS, signal, () => this.#control.tellAll()));
    scope.spawn("sweep", (signal) => this.#every(SWEEP_PERIOD_MS, signal, () => this.#sweep()));
    const { vault } = this;
    const rewraps = { vault, clock: this.#ports.clock, usedInPart: this.pools.inbound };
    scope.spawn("re-wrap", (signal) => runRewraps(rewraps, { periodMs: this.#config.rewrapPeriodMs }, signal));
    scope.closed.catch((failure: unknown) => this.#ports.onFatal(failure as Error));
  }

  zeroize(): Promise<number> {
    const destroyed = this.vault.zeroize();
    this.#eraseMemory();
    for (const link of this.#byNeighbour.values()) link.eraseMemory();
    return destroyed;
  }

  #eraseMemory(): void {
    for (const pool of [...this.pools.outbound, ...this.pools.inbound]) pool.close();
    this.#hop.close();
    this.#reservationHop.close();
  }

  #momentOf(pool: OutboundPool): PoolMoment {
    const keyBytes = this.#config.supply.keySizeDefaultBits / BITS_PER_BYTE;
    return {
      id: pool.id,
      hasRoute: this.reach.canRelay(pool.id),
      keys: pool.wholeKeys(keyBytes),
      lowKeys: this.scheduler.report(pool).plan.lowKeys,
      estimates: this.#demand.of(pool.id),
    };
  }

  #listener(): LinkListener {
    const [hop, reservationHop, control] = [this.#hop, this.#reservationHop, this.#control];
    const rooms = { hop, reservationHop, control, reservations: this.#reservations, onFatal: this.#ports.onFatal };
    return createLinkListener({ ...rooms, relay: this.relay, topology: this.topology, scheduler: this.scheduler });
  }

  #createTopology(metrics: NodePorts["metrics"]): Topology {
    const parts = {
      self: this.id,
      epoch: this.vault.epoch,
      links: this.#byNeighbour,
      clock: this.#ports.clock,
      metrics,
    };
    const remotes = this.pools.outbound.map(({ id }) => id.remote);
    return createTopology({ ...parts, remotes, ownLinks: () => this.#ownLinks() });
  }

  #ownLinks(): readonly AdvertisedLink[] {
    return this.links.map((link) => {
      const { bytes: padBytes, bytesPerSecond: padBytesPerSecond } = link.ownPad();
      return { neighbour: link.neighbour, state: link.up ? "up" : "down", padBytes, padBytesPerSecond } as const;
    });
  }

  async #burnAll(): Promise<void> {
    for (const link of this.#byNeighbour.values()) await link.burnStock();
    for (const pool of [...this.pools.outbound, ...this.pools.inbound]) await pool.burnStock();
  }

  async #sweep(): Promise<void> {
    for (const pool of this.pools.outbound) await pool.sweep();
    for (const pool of this.pools.inbound) await pool.sweep(this.#config.keyFetchGraceMs);
    this.#losses.look();
  }

  async #every(periodMs: number, signal: AbortSignal, step: () => void | Promise<void>): Promise<void> {
    while (!signal.aborted) {
      await this.#ports.clock.sleep(periodMs, signal).catch(() => undefined);
      if (!signal.aborted) await step();
    }
  }

  #collect(
    relayMetrics: ReturnType<typeof createRelayMetrics>,
    planMetrics: ReturnType<typeof createPreEstablishmentMetrics>,
  ): void {
    for (const link of this.links) collectLink(this.#linkMetrics, link.report());
    const keyBytes = this.#config.supply.keySizeDefaultBits / BITS_PER_BYTE;
    for (const pool of this.pools.inbound) collectInboundKeys(planMetrics, pool, keyBytes);
    for (const pool of [...this.pools.outbound, ...this.pools.inbound]) {
      collectPool(relayMetrics, pool, { balances: this.vault.ledger.balances(pool.ledger), keyBytes });
    }
    collectSplit(this.#splitMetrics, this.pools, this.reach);
    for (const pool of this.pools.outbound) {
      collectPlan(planMetrics, this.view(pool), this.scheduler.report(pool).plan);
      collectEstimates(planMetrics, pool, this.#demand.of(pool.id), this.#ports.clock.monotonic());
    }
  }
}
