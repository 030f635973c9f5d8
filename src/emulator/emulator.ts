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
export const FAULTS = {
  unplug: "the terminal of that end goes away: its host's line hangs up",
  plug: "it comes back under the same name",
  cut: "no light in the fibre: no key at either end until restore",
  garbage: "random bytes in the line, between two frames and in the middle of one",
  flip: "one bit of that end's next key block is wrong; only a proof of equality can find it",
  missing: "that end never gives its next key block; the other end has it",
  zero: "the next key block is nothing but zeros, at both ends: only a health test can find it",
  repeat: "the next key block has the bytes of the one before, at both ends, under a new id",
  stuck: "every key block from now on has the same bytes, at both ends, until restore",
  stall: "that end keeps its line open and says nothing until restore",
  slow: "that end gives key at a tenth of the rate until restore, and the link has no more",
  restore: "undoes cut, stuck, stall and slow",
} as const;
export type FaultName = keyof typeof FAULTS;
export const FAULT_NAMES = Object.keys(FAULTS) as [FaultName, ...FaultName[]];

export interface Fault {
  readonly name: FaultName;
  /** Its id, or the two names in it the other way round. */
  readonly link: string;
  /** "a", "b", or the name that the link's id has for that end: "bonn" of "aachen--bonn". */
  readonly end?: string | undefined;
}

/** In the id of a link between two nodes. */
const NAME_BREAK = "--";

export interface EmulatedLinkState {
  readonly id: string;
  readonly a: string;
  readonly b: string;
  readonly plugged: readonly LinkEnd[];
  readonly stalled: readonly LinkEnd[];
  readonly slow: readonly LinkEnd[];
  readonly stuck: boolean;
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
      const link = links.get(fault.link) ?? links.get(fault.link.split(NAME_BREAK).reverse().join(NAME_BREAK));
      if (link === undefined) {
        const names = [...links.keys()].join(", ");
        throw new QkdError("REQUEST_INVALID", `there is no link "${fault.link}"; there are: ${names}`, {});
      }
      await link.cause(fault.name, fault.end === undefined ? LINK_ENDS : [endOf(link.id, fault.end)]);
      return link.state();
    },
  };
}

/** @throws QkdError REQUEST_INVALID */
function endOf(link: string, name: string): LinkEnd {
  const end = LINK_ENDS.find((each, at) => name === each || name === link.split(NAME_BREAK)[at]);
  if (end !== undefined) return end;
  const names = link.includes(NAME_BREAK) ? ` or ${link.split(NAME_BREAK).join(", ")}` : "";
  throw new QkdError("REQUEST_INVALID", `"${name}" is no end of ${link}; it has a, b${names}`, {});
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

  get id(): string {
    return this.#config.id;
  }

  state(): EmulatedLinkState {
    const { id, a, b, blockBytes } = this.#config;
    return {
      id,
      a,
      b,
      plugged: LINK_ENDS.filter((end) => this.#ends[end].line.isPlugged),
      stalled: LINK_ENDS.filter((end) => this.#ends[end].line.isStalled),
      slow: LINK_ENDS.filter((end) => this.#pair.isSlow(end)),
      stuck: this.#pair.isStuck,
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
        this.#pair.setStuck(false);
        for (const end of ends) {
          this.#ends[end].line.setStalled(false);
          this.#setSlow(end, false);
        }
        return;
      case "missing":
        for (const end of ends) this.#pair.withholdNext(end);
        return;
      case "zero":
      case "repeat":
        this.#pair.spoilNext(name);
        return;
      case "stuck":
        this.#pair.setStuck(true);
        return;
      case "slow":
        for (const end of ends) this.#setSlow(end, true);
        return;
      case "stall":
        for (const end of ends) this.#ends[end].line.setStalled(true);
    }
  }

  #setSlow(end: LinkEnd, isSlow: boolean): void {
    this.#pair.setSlow(end, isSlow);
    this.#statusChanged();
  }

  #setCut(isCut: boolean): void {
    this.#pair.setCut(isCut);
    this.#statusChanged();
  }

  /** Both modules say so: the rate is the link's. */
  #statusChanged(): void {
    for (const end of LINK_ENDS) {
      this.#ends[end].module.statusChanged();
      this.#ends[end].line.wake();
    }
  }
}
