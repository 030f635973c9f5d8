/** One node of a world: its disk, its lives, its SAE. */
import type { QkdDriver } from "../../src/driver/qkd-driver.ts";
import { createDriverCatalog } from "../../src/driver/driver-catalog.ts";
import { BrokenInvariant } from "../../src/model/assert.ts";
import type { NodeId } from "../../src/model/ids.ts";
import { KeyMaterial } from "../../src/model/key-material.ts";
import type { NodeConfig } from "../../src/node/config.ts";
import type { NodePorts } from "../../src/node/ports.ts";
import { openTrustedNode, type TrustedNode } from "../../src/node/trusted-node.ts";
import type { PeerTransport } from "../../src/peer/peer-transport.ts";
import { openScope } from "../../src/runtime/scope.ts";
import { createMemoryAudit, type MemoryAudit } from "../fakes/memory-audit.ts";
import { createMemoryMetrics, type MemoryMetrics } from "../fakes/memory-metrics.ts";
import { openNodeLife, type NodeLife } from "../fakes/node-life.ts";
import { createRecordingLogger, type RecordingLogger } from "../fakes/recording-logger.ts";
import type { SeededRandom } from "../fakes/seeded-random.ts";
import type { SimDisk } from "../fakes/sim-disk.ts";
import type { SimNetwork } from "../fakes/sim-network.ts";
import type { Trace } from "../fakes/trace.ts";
import type { VirtualWorldClock } from "../fakes/virtual-clock.ts";

/** Ports may be wrapped, to break a law on purpose: a checker that cannot fail proves nothing. */
export type PortWrapper = (node: NodeId, ports: NodePorts) => NodePorts;

/** Some re-wraps in each life. */
const REWRAP_PERIOD_MS = 3_000;

export interface SimNodeParts {
  readonly config: NodeConfig;
  readonly clock: VirtualWorldClock;
  readonly random: SeededRandom;
  readonly network: SimNetwork;
  readonly disk: SimDisk;
  readonly driver: QkdDriver;
  readonly trace: Trace;
  readonly wrap: PortWrapper;
  /** A law was broken inside the node. */
  readonly onBroken: (node: NodeId, failure: Error) => void;
}

export class SimNode {
  readonly id: NodeId;
  readonly disk: SimDisk;
  readonly log: RecordingLogger = createRecordingLogger();
  readonly audit: MemoryAudit = createMemoryAudit();
  metrics: MemoryMetrics = createMemoryMetrics();
  /** Undefined while it is down or starting. */
  node: TrustedNode | undefined;
  readonly #parts: SimNodeParts;
  readonly #root: Uint8Array<ArrayBuffer>;
  #life: NodeLife | undefined;
  #lives = 0;

  constructor(parts: SimNodeParts) {
    this.id = parts.config.node;
    this.disk = parts.disk;
    this.#parts = parts;
    this.#root = new Uint8Array(new ArrayBuffer(32));
    parts.random.fork("root").fill(this.#root);
  }

  get up(): boolean {
    return this.node !== undefined;
  }

  /** Up or starting. */
  get alive(): boolean {
    return this.#life?.alive === true;
  }

  get lives(): number {
    return this.#lives;
  }

  /** As SIGKILL. */
  kill(): void {
    this.#life?.kill();
  }

  /** Begins a life; `node` is there once the store is recovered. */
  start(): void {
    if (this.#life?.alive === true) return;
    const { clock, trace } = this.#parts;
    this.#lives += 1;
    const life = openNodeLife({ clock, node: this.id, number: this.#lives });
    this.#life = life;
    life.onKill(() => {
      this.node = undefined;
      trace.line(`${this.id} ends life ${life.number}`);
    });
    trace.line(`${this.id} begins life ${life.number}`);
    const ports = this.#ports(life);
    const scope = openScope(this.id, this.log);
    openTrustedNode({ ...this.#parts.config, rewrapPeriodMs: REWRAP_PERIOD_MS }, ports, scope).then(
      (node) => {
        if (life.alive) this.node = node;
      },
      (failure: unknown) => {
        if (life.alive) ports.onFatal(failure as Error);
      },
    );
  }

  /** For checkers: the ports of a life that only looks. */
  portsForInspection(): { ports: NodePorts; life: NodeLife } {
    const life = openNodeLife({ clock: this.#parts.clock, node: `${this.id} inspected`, number: 1 });
    return { ports: this.#ports(life), life };
  }

  #ports(life: NodeLife): NodePorts {
    const { random, network, driver, trace, wrap, onBroken } = this.#parts;
    const lifeRandom = random.fork(`life ${life.number}`);
    const mounted = this.disk.mount(life);
    const transport: PeerTransport = network.transportFor(life);
    this.metrics = createMemoryMetrics();
    const log = this.log;
    return wrap(this.id, {
      clock: life.clock,
      random: lifeRandom,
      log,
      metrics: this.metrics,
      audit: this.audit,
      database: mounted.database,
      keyBagFile: mounted.keyBag,
      nvFile: mounted.nv,
      root: KeyMaterial.copyOf(this.#root),
      transport,
      drivers: createDriverCatalog([driver]),
      driverHost: {
        clock: life.clock,
        random: lifeRandom,
        log,
        openSerialPort: () => Promise.reject(new Error("a world has no serial ports")),
      },
      onFatal: (failure) => {
        if (!life.alive) return;
        trace.line(`${this.id} fails: ${failure.message}`);
        if (failure instanceof BrokenInvariant || !("code" in failure)) onBroken(this.id, failure);
        life.kill();
      },
    });
  }
}
