/** The processes of a demo: one emulator, and a daemon for each node, started, watched and ended together. */
import { join } from "node:path";

import { fetchStatus } from "../io/operator-client.ts";
import type { NetworkView } from "../live-view/network-view.ts";
import type { NodeId } from "../model/ids.ts";
import { QkdError } from "../model/errors.ts";
import { SECOND_MS } from "../model/units.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Scope } from "../runtime/scope.ts";
import type { DemoCertificates } from "./demo-certificates.ts";
import { type ChildProgram, DemoChild, StartFailure } from "./demo-child.ts";
import { writeDemoJson } from "./demo-files.ts";
import type { DemoNode, DemoPlan } from "./demo-plan.ts";
import type { NodeAct } from "./node-act.ts";

const READY_MS_MAX = 60_000;
const POLL_MS = 50;
const ANSWER_MS_MAX = 2_000;
const SOURCES = join(import.meta.dirname, "..");

export interface DemoNetwork {
  view(): Promise<NetworkView>;
  /** @throws QkdError REQUEST_INVALID  there is no such node */
  act(act: NodeAct, node: string): Promise<void>;
  /** Ends all processes at once. */
  kill(): void;
}

export interface DemoNetworkParts {
  readonly plan: DemoPlan;
  readonly certificates: DemoCertificates;
  readonly clock: Clock;
  /** For people: what happened to a process. */
  readonly tell: (line: string) => void;
  /** Aborts when the demo is to end, also in the middle of a start. */
  readonly asked: AbortSignal;
}

/**
 * Returns when every daemon is ready; `scope` ends them. From then on a process that dies is started again.
 *
 * @throws StartFailure  a process ended by itself before, with the last lines of its log; or it takes too long
 */
export async function openDemoNetwork(parts: DemoNetworkParts, scope: Scope): Promise<DemoNetwork> {
  const network = new ProcessNetwork(parts);
  scope.defer("processes", () => network.end());
  await network.open();
  return network;
}

class ProcessNetwork implements DemoNetwork {
  readonly #parts: DemoNetworkParts;
  readonly #daemons = new Map<NodeId, DemoChild>();
  #emulator: DemoChild | undefined;
  #isOpen = false;

  constructor(parts: DemoNetworkParts) {
    this.#parts = parts;
  }

  async open(): Promise<void> {
    const { plan, tell } = this.#parts;
    const emulator = this.#start(emulatorProgram(plan));
    this.#emulator = emulator;
    await this.#within(emulator.ready);
    tell(`the emulator plays ${2 * plan.links.length} modules`);
    for (const node of plan.nodes) this.#daemons.set(node.id, this.#start(nodeProgram(node)));
    const ready = async (node: DemoNode): Promise<void> => {
      await this.#ready(node, this.#parts.asked);
      tell(`${node.id} is ready`);
    };
    await this.#within(Promise.all(plan.nodes.map(ready)));
    await this.#writeJson();
    this.#isOpen = true;
    for (const child of this.#children()) child.keep();
  }

  async view(): Promise<NetworkView> {
    const { plan, clock } = this.#parts;
    const nodes = plan.nodes.map(async ({ id, operatorUrl }) => {
      const status = await fetchStatus(new URL(operatorUrl), ANSWER_MS_MAX);
      const absence = this.#daemons.get(id)?.absence;
      return { id, isAsked: true, status: typeof status === "string" ? undefined : status, absence };
    });
    return { at: clock.wall(), nodes: await Promise.all(nodes), links: plan.links.map(({ ends }) => ends) };
  }

  async act(act: NodeAct, name: string): Promise<void> {
    const { plan, clock, asked, tell } = this.#parts;
    const node = plan.nodes.find(({ id }) => id === name);
    const child = node === undefined ? undefined : this.#daemons.get(node.id);
    if (node === undefined || child === undefined) {
      const names = plan.nodes.map(({ id }) => id).join(", ");
      throw new QkdError("REQUEST_INVALID", `there is no node "${name}"; there are: ${names}`, { name });
    }
    switch (act) {
      case "stop":
        await child.stop();
        tell(`${node.id} was stopped; it waits for start`);
        await this.#writeJson();
        return;
      case "start":
        await child.startAgain();
        break;
      case "kill":
        await child.crash();
    }
    await this.#ready(node, AbortSignal.any([asked, clock.timeout(READY_MS_MAX)]));
  }

  kill(): void {
    for (const child of this.#children()) child.kill();
  }

  async end(): Promise<void> {
    await Promise.all([...this.#daemons.values()].map((child) => child.end()));
    await this.#emulator?.end(); // last, so that no daemon complains of modules that went away
  }

  #children(): readonly DemoChild[] {
    return [...(this.#emulator === undefined ? [] : [this.#emulator]), ...this.#daemons.values()];
  }

  #start(program: ChildProgram): DemoChild {
    const { tell, clock } = this.#parts;
    const { name, logFile } = program;
    const started = (): void => {
      if (this.#isOpen) void this.#writeJson().catch((failure: unknown) => tell(`demo.json: ${String(failure)}`));
    };
    const ended = (reason: string, restartInMs: number): void =>
      tell(`${name} ended (${reason}); it is started again in ${restartInMs / SECOND_MS} s; log: ${logFile}`);
    return new DemoChild(program, { started, ended }, clock);
  }

  async #writeJson(): Promise<void> {
    const { plan, certificates } = this.#parts;
    const nodes = plan.nodes.map(({ id }) => this.#daemons.get(id)?.pid);
    await writeDemoJson(plan, certificates, { nodes, emulator: this.#emulator?.pid });
  }

  /** Waits for `step` as long as all processes live, nobody ends the demo, and it does not take too long. */
  async #within<Result>(step: Promise<Result>): Promise<Result> {
    const { asked, clock } = this.#parts;
    const cut = Promise.withResolvers<never>();
    const abandon = (): void => cut.reject(asked.reason);
    asked.addEventListener("abort", abandon, { once: true });
    if (asked.aborted) abandon();
    const children = this.#children();
    const logs = children.map(({ program }) => program.logFile).join(", ");
    const cancel = clock.after(READY_MS_MAX, () =>
      cut.reject(new StartFailure(`the network is not ready after ${READY_MS_MAX / SECOND_MS} s; see ${logs}`)),
    );
    try {
      return await Promise.race([step, cut.promise, ...children.map(({ failed }) => failed)]);
    } finally {
      cancel();
      asked.removeEventListener("abort", abandon);
    }
  }

  async #ready({ operatorUrl, id }: DemoNode, signal: AbortSignal): Promise<void> {
    for (;;) {
      if (await isReady(operatorUrl)) return;
      if (signal.aborted) throw new QkdError("DEADLINE", `${id} is not ready`, { node: id });
      await this.#parts.clock.sleep(POLL_MS, signal).catch(() => undefined);
    }
  }
}

function emulatorProgram({ emulator }: DemoPlan): ChildProgram {
  return {
    name: "the emulator",
    entry: join(SOURCES, "emulator", "main.ts"),
    words: ["run", "--config", emulator.configFile],
    logFile: emulator.logFile,
    printsReady: true,
  };
}

function nodeProgram({ id, configFile, logFile }: DemoNode): ChildProgram {
  return {
    name: `node ${id}`,
    entry: join(SOURCES, "daemon", "main.ts"),
    words: ["run", "--config", configFile],
    logFile,
    printsReady: false,
  };
}

async function isReady(operatorUrl: string): Promise<boolean> {
  try {
    const reply = await fetch(`${operatorUrl}/readyz`, { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
    return reply.ok;
  } catch {
    return false; // not there yet
  }
}
