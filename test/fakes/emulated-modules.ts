/**
 * Both modules of a QKD link inside the process, in virtual time: real drivers, with the same key blocks at both ends.
 *
 * A waiting reader holds one timer of its host's clock, and is woken by that clock only: a node that was killed stays
 * dead. Misbehaviour is asked for by name.
 */
import {
  DRIVER_API_VERSION,
  type DriverHost,
  type QkdDriver,
  type QkdKeyBatch,
  type QkdModule,
  type QkdModuleFaults,
  type QkdModuleIdentity,
  type QkdModuleStatus,
  type StreamKeySource,
} from "../../src/driver/qkd-driver.ts";
import type { LinkEnd } from "../../src/emulator/link-pair.ts";
import { QkdError } from "../../src/model/errors.ts";
import type { QkdKeyId } from "../../src/model/ids.ts";
import type { Clock } from "../../src/runtime/clock.ts";
import type { Scope } from "../../src/runtime/scope.ts";
import { EmulatedPair, type EmulatedPairOptions } from "./emulated-pair.ts";

export type EmulatedLinkOptions = EmulatedPairOptions;

export interface EmulatedModuleConfig {
  readonly link: string;
  readonly end: LinkEnd;
}

export interface EmulatedLink {
  readonly name: string;
  readonly driver: QkdDriver<EmulatedModuleConfig>;
  readonly configs: Readonly<Record<LinkEnd, EmulatedModuleConfig>>;
  /** Blocks generated so far. */
  generatedBlocks(): number;
  /** Blocks that an end still keeps, because its host did not acknowledge them. */
  keptBlocks(end: LinkEnd): number;
  /** One bit of the next block that this end has not given yet is wrong, for ever. */
  flipNextBit(end: LinkEnd): void;
  /** The next block that this end has not given yet never reaches it. */
  loseNextBlock(end: LinkEnd): void;
  /** The line hangs up; opening fails until `plug`. */
  unplug(end: LinkEnd): void;
  plug(end: LinkEnd): void;
  /** No key is generated until `restore`: a cut fibre. */
  cut(): void;
  restore(): void;
  /** The module gives nothing at this end until `resume`: nothing fails, nothing comes. */
  stall(end: LinkEnd): void;
  resume(end: LinkEnd): void;
  setRate(rateBps: number): void;
}

export interface EmulatedModules {
  /** Opens either end of every link that was added. */
  readonly driver: QkdDriver<EmulatedModuleConfig>;
  addLink(options: EmulatedLinkOptions): EmulatedLink;
}

/** A bench of links behind one driver, for a simulation of many nodes. */
export function createEmulatedModules(driverName = "emulated"): EmulatedModules {
  const links = new Map<string, PairOfModules>();
  const driver = createDriver(driverName, links);
  return {
    driver,
    addLink(options) {
      const link = new PairOfModules(options, driver);
      links.set(options.name, link);
      return link;
    },
  };
}

/** One link with a driver of its own. */
export function createEmulatedLink(options: EmulatedLinkOptions): EmulatedLink {
  return createEmulatedModules().addLink(options);
}

function createDriver(name: string, links: ReadonlyMap<string, PairOfModules>): QkdDriver<EmulatedModuleConfig> {
  return {
    apiVersion: DRIVER_API_VERSION,
    name,
    parseConfig(raw) {
      const { link, end, ...others } = (raw ?? {}) as Partial<Record<string, unknown>>;
      const unknown = Object.keys(others)[0];
      if (unknown !== undefined) {
        throw new QkdError("CONFIG_INVALID", `there is no field "${unknown}"`, { field: unknown });
      }
      if (typeof link !== "string" || !links.has(link)) {
        throw new QkdError("CONFIG_INVALID", "no such emulated link", { field: "link" });
      }
      if (end !== "a" && end !== "b") throw new QkdError("CONFIG_INVALID", `end is "a" or "b"`, { field: "end" });
      return { link, end };
    },
    async open(config, host, scope) {
      await Promise.resolve(); // a real module never answers within the same turn
      return links.get(config.link)!.open(config.end, host, scope);
    },
  };
}

class PairOfModules implements EmulatedLink {
  readonly name: string;
  readonly driver: QkdDriver<EmulatedModuleConfig>;
  readonly configs: Readonly<Record<LinkEnd, EmulatedModuleConfig>>;
  readonly #pair: EmulatedPair;
  readonly #unplugged = new Set<LinkEnd>();
  readonly #open = new Map<LinkEnd, OpenModule>();

  constructor(options: EmulatedLinkOptions, driver: QkdDriver<EmulatedModuleConfig>) {
    this.name = options.name;
    this.driver = driver;
    this.configs = { a: { link: options.name, end: "a" }, b: { link: options.name, end: "b" } };
    this.#pair = new EmulatedPair(options);
    for (const end of ["a", "b"] as const) this.#pair.onChange(end, () => this.#open.get(end)?.wakeSoon());
  }

  open(end: LinkEnd, host: DriverHost, scope: Scope): QkdModule {
    if (this.#unplugged.has(end)) throw this.#lost(end, "is unplugged");
    this.#open.get(end)?.lose(this.#lost(end, "was opened by another"));
    this.#pair.startAt(host.clock);
    const module = new OpenModule({ name: this.name, pair: this.#pair, end, clock: host.clock, scope });
    this.#open.set(end, module);
    scope.defer("emulated module", () => {
      if (this.#open.get(end) === module) this.#open.delete(end);
    });
    return module;
  }

  generatedBlocks = (): number => this.#pair.generatedBlocks();
  keptBlocks = (end: LinkEnd): number => this.#pair.keptBlocks(end);
  flipNextBit = (end: LinkEnd): void => this.#pair.flipNextBit(end);
  loseNextBlock = (end: LinkEnd): void => this.#pair.loseNextBlock(end);
  cut = (): void => this.#pair.setCut(true);
  restore = (): void => this.#pair.setCut(false);
  stall = (end: LinkEnd): void => this.#pair.setStalled(end, true);
  resume = (end: LinkEnd): void => this.#pair.setStalled(end, false);
  setRate = (rateBps: number): void => this.#pair.setRate(rateBps);

  unplug(end: LinkEnd): void {
    this.#unplugged.add(end);
    this.#open.get(end)?.lose(this.#lost(end, "hung up"));
  }

  plug(end: LinkEnd): void {
    this.#unplugged.delete(end);
  }

  #lost(end: LinkEnd, reason: string): QkdError {
    return new QkdError("DEVICE_LOST", `${this.name}: the module at end ${end} ${reason}`, { link: this.name, end });
  }
}

interface OpenModuleParts {
  readonly name: string;
  readonly pair: EmulatedPair;
  readonly end: LinkEnd;
  readonly clock: Clock;
  readonly scope: Scope;
}

class OpenModule implements QkdModule {
  readonly identity: QkdModuleIdentity;
  readonly keySource: StreamKeySource;
  readonly #parts: OpenModuleParts;
  #lost: QkdError | undefined;
  #wake: (() => void) | undefined;

  constructor(parts: OpenModuleParts) {
    this.#parts = parts;
    this.identity = { vendor: "qkdnd", model: "emulated", serialNumber: `${parts.name}/${parts.end}` };
    this.keySource = { kind: "stream", keys: (after, signal) => this.#keys(after, signal) };
  }

  status(): QkdModuleStatus {
    return this.#parts.pair.status();
  }

  faults(): QkdModuleFaults {
    return { garbageRuns: 0, crcErrors: 0, keysRefused: 0 };
  }

  lose(reason: QkdError): void {
    this.#lost ??= reason;
    this.#parts.clock.after(0, () => {
      this.#wake?.();
      void this.#parts.scope.close(reason);
    });
  }

  wakeSoon(): void {
    const wake = this.#wake;
    if (wake !== undefined) this.#parts.clock.after(0, wake);
  }

  async *#keys(after: QkdKeyId | undefined, signal: AbortSignal): AsyncGenerator<QkdKeyBatch> {
    const { pair, end, scope } = this.#parts;
    const wake = (): void => this.#wake?.();
    const signals = [signal, scope.signal];
    for (const each of signals) each.addEventListener("abort", wake);
    try {
      let from = pair.firstKept(end, after);
      for (;;) {
        if (this.#lost !== undefined) throw this.#lost;
        if (signal.aborted) return;
        scope.signal.throwIfAborted();
        const { batch, next } = pair.take(end, from);
        from = next;
        if (batch === undefined) {
          await this.#change();
          continue;
        }
        yield batch;
        // Asked for the next batch: this one is stored. A module that is lost does not hear it.
        if (this.#lost === undefined) pair.acknowledge(end, next - 1);
      }
    } finally {
      for (const each of signals) each.removeEventListener("abort", wake);
    }
  }

  /** Waits for the next block, or for anything that brings one sooner. */
  async #change(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    const inMs = this.#parts.pair.nextBlockInMs();
    const cancelTimer = inMs === undefined ? undefined : this.#parts.clock.after(inMs, resolve);
    await promise;
    cancelTimer?.();
    this.#wake = undefined;
  }
}
