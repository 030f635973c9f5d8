/** The processes of a demo: one emulator, and a daemon for each node, started, watched and ended together. */
import { join } from "node:path";

import type { NodeStatus } from "../api/operator/node-status.ts";
import { SECOND_MS } from "../model/units.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Scope } from "../runtime/scope.ts";
import type { DemoCertificates } from "./demo-certificates.ts";
import { type ChildProgram, DemoChild, StartFailure } from "./demo-child.ts";
import { writeDemoJson } from "./demo-files.ts";
import type { DemoNode, DemoPlan } from "./demo-plan.ts";
import type { NetworkStatus } from "./demo-view.ts";

const READY_MS_MAX = 60_000;
const POLL_MS = 50;
const ANSWER_MS_MAX = 1_000;
const SOURCES = join(import.meta.dirname, "..");

export interface DemoNetwork {
  status(): Promise<NetworkStatus>;
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
  const { plan, clock } = parts;
  const children: DemoChild[] = [];
  scope.defer("processes", async () => {
    const [emulator, ...daemons] = children;
    await Promise.all(daemons.map((child) => child.end()));
    await emulator?.end(); // last, so that no daemon complains of modules that went away
  });
  const start = (program: ChildProgram): DemoChild => {
    const child = new DemoChild(program, { started, ended: obituaryFor(program, parts) }, clock);
    children.push(child);
    return child;
  };
  let isOpen = false;
  const started = (): void => {
    if (isOpen) void writeJson().catch((failure: unknown) => parts.tell(`demo.json: ${String(failure)}`));
  };
  const writeJson = async (): Promise<void> => {
    const [emulator, ...nodes] = children.map(({ pid }) => pid);
    await writeDemoJson(plan, parts.certificates, { nodes, emulator });
  };
  const emulator = start(emulatorProgram(plan));
  await within(emulator.ready, children, parts);
  for (const node of plan.nodes) start(nodeProgram(node));
  await within(Promise.all(plan.nodes.map((node) => readyNode(node, parts))), children, parts);
  await writeJson();
  isOpen = true;
  for (const child of children) child.keep();
  return {
    status: () => Promise.all(plan.nodes.map(statusOf)),
    kill: () => {
      for (const child of children) child.kill();
    },
  };
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

function obituaryFor({ name, logFile }: ChildProgram, { tell }: DemoNetworkParts) {
  return (reason: string, restartInMs: number): void =>
    tell(`${name} ended (${reason}, see ${logFile}); it is started again in ${restartInMs / SECOND_MS} s`);
}

/** Waits for `step` as long as all processes live, nobody ends the demo, and it does not take too long. */
async function within<Result>(
  step: Promise<Result>,
  children: readonly DemoChild[],
  { asked, clock }: DemoNetworkParts,
): Promise<Result> {
  const cut = Promise.withResolvers<never>();
  const abandon = (): void => cut.reject(asked.reason);
  asked.addEventListener("abort", abandon, { once: true });
  if (asked.aborted) abandon();
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

async function readyNode({ operatorUrl }: DemoNode, { clock, asked }: DemoNetworkParts): Promise<void> {
  while (!asked.aborted) {
    const reply = await ask(`${operatorUrl}/readyz`);
    if (reply?.ok === true) return;
    await clock.sleep(POLL_MS, asked).catch(() => undefined);
  }
}

async function statusOf({ operatorUrl }: DemoNode): Promise<NodeStatus | undefined> {
  const reply = await ask(`${operatorUrl}/status`);
  return reply?.ok === true ? ((await reply.json().catch(() => undefined)) as NodeStatus | undefined) : undefined;
}

async function ask(url: string): Promise<Response | undefined> {
  try {
    return await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
  } catch {
    return undefined; // not there yet, or not any more
  }
}
