/** The modules of several links, each at a terminal of its own, and the faults that can be asked for. */
import { QkdError } from "../model/errors.ts";
import type { QkdModuleStatus } from "../driver/qkd-driver.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Random } from "../runtime/random.ts";
import type { Scope } from "../runtime/scope.ts";
import { createRandomBlockSource, createSeededBlockSource } from "./block-source.ts";
import type { EmulatedLinkConfig } from "./config.ts";
import { LINK_ENDS, LinkPair, type LinkEnd } from "./link-pair.ts";
import { ModuleEnd } from "./module-end.ts";
import { openModuleLine, type ModuleLine } from "./module-line.ts";

export interface EmulatorParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** What can be done to a link, or to one end of it; without an end, to both. */
export const FAULT_NAMES = ["unplug", "plug", "garbage", "flip", "cut", "restore", "stall"] as const;
export type FaultName = (typeof FAULT_NAMES)[number];

export interface Fault {
  readonly name: FaultName;
  readonly link: string;
  readonly end?: LinkEnd | undefined;
}

export interface EmulatedLinkState {
  readonly id: string;
  readonly a: string;
  readonly b: string;
  readonly plugged: readonly LinkEnd[];
  readonly generatedBlocks: number;
  /** What the host at each end has stored. */
  readonly acknowledgedBlocks: Readonly<Record<LinkEnd, number>>;
  readonly blockBytes: number;
  readonly status: QkdModuleStatus;
}

export interface Emulator {
  links(): readonly EmulatedLinkState[];
  /** @throws QkdError REQUEST_INVALID for a link that is not played here */
  cause(fault: Fault): Promise<EmulatedLinkState>;
}

/** Returns when every terminal is there. @throws Error when one cannot be had */
export async function openEmulator(
  configs: readonly EmulatedLinkConfig[],
  parts: EmulatorParts,
  scope: Scope,
): Promise<Emulator> {
  const links = new Map<string, EmulatedLink>();
  for (const config of configs) links.set(config.id, await openLink(config, parts, scope));
  return {
    links: () => [...links.values()].map((link) => link.state()),
    async cause(fault) {
      const link = links.get(fault.link);
      if (link === undefined) {
        const names = [...links.keys()].join(", ");
        throw new QkdError("REQUEST_INVALID", `there is no link "${fault.link}"; there are: ${names}`, {});
      }
      await link.cause(fault.name, fault.end === undefined ? LINK_ENDS : [fault.end]);
      return link.state();
    },
  };
}

async function openLink(config: EmulatedLinkConfig, parts: EmulatorParts, scope: Scope): Promise<EmulatedLink> {
  const blocks =
    config.seed === undefined
      ? createRandomBlockSource(parts.random)
      : createSeededBlockSource(`${config.seed} ${config.id}`);
  const pair = new LinkPair(config, { blocks, clock: parts.clock, random: parts.random });
  scope.defer(`link ${config.id}`, () => pair.close());
  const openEnd = async (end: LinkEnd): Promise<EmulatedEnd> => {
    const identity = { vendor: "qkdnd", model: "qkd-emulator", serialNumber: `${config.id}/${end}` };
    const module = new ModuleEnd({ pair, end, identity, blockBytes: config.blockBytes });
    const line = await openModuleLine({ module, path: config[end], ...parts }, scope.child(`${config.id}/${end}`));
    pair.onChange(end, () => line.wake());
    return { module, line };
  };
  const [a, b] = await Promise.all([openEnd("a"), openEnd("b")]);
  return new EmulatedLink(config, pair, { a, b });
}

interface EmulatedEnd {
  readonly module: ModuleEnd;
  readonly line: ModuleLine;
}

class EmulatedLink {
  readonly #config: EmulatedLinkConfig;
  readonly #pair: LinkPair;
  readonly #ends: Readonly<Record<LinkEnd, EmulatedEnd>>;

  constructor(config: EmulatedLinkConfig, pair: LinkPair, ends: Readonly<Record<LinkEnd, EmulatedEnd>>) {
    this.#config = config;
    this.#pair = pair;
    this.#ends = ends;
  }

  state(): EmulatedLinkState {
    const { id, a, b, blockBytes } = this.#config;
    const plugged = LINK_ENDS.filter((end) => this.#ends[end].line.isPlugged);
    return {
      id,
      a,
      b,
      plugged,
      generatedBlocks: this.#pair.generatedBlocks,
      acknowledgedBlocks: { a: this.#pair.firstKept("a"), b: this.#pair.firstKept("b") },
      blockBytes,
      status: this.#pair.status(),
    };
  }

  async cause(name: FaultName, ends: readonly LinkEnd[]): Promise<void> {
    switch (name) {
      case "unplug":
        await Promise.all(ends.map((end) => this.#ends[end].line.unplug()));
        return;
      case "plug":
        await Promise.all(ends.map((end) => this.#ends[end].line.plug()));
        return;
      case "garbage":
        for (const end of ends) this.#ends[end].line.addGarbage();
        return;
      case "flip":
        for (const end of ends) this.#pair.flipNextBit(end);
        return;
      case "cut":
        this.#setCut(true);
        return;
      case "restore":
        this.#setCut(false);
        for (const end of ends) this.#ends[end].line.setStalled(false);
        return;
      case "stall":
        for (const end of ends) this.#ends[end].line.setStalled(true);
    }
  }

  #setCut(isCut: boolean): void {
    this.#pair.setCut(isCut);
    for (const end of LINK_ENDS) {
      this.#ends[end].module.statusChanged();
      this.#ends[end].line.wake();
    }
  }
}
