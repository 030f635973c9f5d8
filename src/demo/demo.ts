/** The demo: brings the network up, shows how it is doing, and ends it. */
import { rm } from "node:fs/promises";
import { resolve } from "node:path";

import { durationText } from "../api/operator/text-table.ts";
import { onEndingSignals } from "../io/ending-signals.ts";
import { createJsonLogger } from "../io/json-logger.ts";
import { createSystemClock } from "../io/system-clock.ts";
import { QkdError } from "../model/errors.ts";
import { MINUTE_MS, SECOND_MS } from "../model/units.ts";
import type { Clock } from "../runtime/clock.ts";
import { openScope, type Scope } from "../runtime/scope.ts";
import { serveDemoControl } from "./demo-control.ts";
import { createDemoDisplay, type DemoDisplay } from "./demo-display.ts";
import { type DemoFibre, writeDemoFiles } from "./demo-files.ts";
import { type DemoNetwork, openDemoNetwork } from "./demo-network.ts";
import { findPorts, openDemoFolder } from "./demo-places.ts";
import { planDemo } from "./demo-plan.ts";
import { type ShapeName, spansOf } from "./demo-shape.ts";
import { bannerLines, keyLines } from "./demo-words.ts";

const STDERR = 2;

export interface DemoRequest extends DemoFibre {
  readonly data: string;
  /** 0 takes free ones. */
  readonly firstPort: number;
  readonly nodes: number;
  readonly shape: ShapeName;
}

interface DemoParts {
  readonly clock: Clock;
  /** Aborts when the demo is to end. */
  readonly asked: AbortSignal;
  readonly end: () => void;
  /** Ends all processes at once when somebody asks again. */
  readonly onNetwork: (network: DemoNetwork) => void;
}

/**
 * Runs the demo until Ctrl-C, q, SIGTERM, SIGHUP, or until nobody reads what it prints.
 *
 * @throws QkdError, Error  it could not begin; nothing of it runs any more
 */
export async function runDemo(request: DemoRequest): Promise<void> {
  const scope = openScope("demo", createJsonLogger({ level: "warn", destination: STDERR }));
  const asked = new AbortController();
  let network: DemoNetwork | undefined;
  const end = (): void => asked.abort(new QkdError("CANCELLED", "asked to end", {}));
  onEndingSignals({ first: end, again: () => network?.kill() });
  process.stdout.on("error", () => asked.abort());
  endWithNpm(end, asked.signal);
  const onNetwork = (opened: DemoNetwork): void => void (network = opened);
  try {
    const display = await openDemo(request, { clock: createSystemClock(), asked: asked.signal, end, onNetwork }, scope);
    await display.run();
  } catch (failure) {
    if (!asked.signal.aborted) throw failure;
  } finally {
    if (asked.signal.aborted) print("ending …");
    await scope.close();
  }
  print(`All processes have ended. The data folder ${resolve(request.data)} stays: start again to go on.`);
}

/** npm passes SIGTERM on; when it was killed, it cannot, and nobody would end us. */
function endWithNpm(end: () => void, asked: AbortSignal): void {
  if (process.env["npm_lifecycle_event"] !== "start") return;
  const npm = process.ppid;
  const watch = setInterval(() => process.ppid === npm || end(), SECOND_MS);
  watch.unref();
  asked.addEventListener("abort", () => clearInterval(watch), { once: true });
}

/** Returns when the network is ready, and what to do with it is printed. */
async function openDemo(request: DemoRequest, parts: DemoParts, scope: Scope): Promise<DemoDisplay> {
  const { clock, asked, end } = parts;
  const startedAt = clock.monotonic();
  const sinceStart = (): string => elapsedText(clock.monotonic() - startedAt);
  const folder = resolve(request.data);
  spansOf(request.shape, request.nodes); // refused before anything is made
  await openDemoFolder(folder, scope);
  const plan = planDemo(folder, request.shape, await findPorts(request.firstPort, request.nodes));
  print(...bannerLines(plan, request), "");
  await rm(plan.demoFile, { force: true });
  const certificates = await writeDemoFiles(plan, request);
  print(`${sinceStart()}: certificates and configuration are written`);
  const shownBy: { display?: DemoDisplay } = {};
  const tell = (line: string): void => {
    if (shownBy.display === undefined) print(`${sinceStart()}: ${line}`);
    else shownBy.display.tell(line);
  };
  const network = await openDemoNetwork({ plan, certificates, clock, asked, tell }, scope);
  parts.onNetwork(network);
  if (plan.control !== undefined) await serveDemoControl(plan.control, network, scope);
  print(`Ready after ${sinceStart()}.`, "", ...keyLines(plan), "", "Ctrl-C ends it.", "");
  const display = createDemoDisplay({ plan, network, clock, print, asked, end, sinceStart });
  shownBy.display = display;
  return display;
}

/** "4.1 s", "3 min 5 s" */
function elapsedText(ms: number): string {
  return ms < MINUTE_MS ? `${(ms / SECOND_MS).toFixed(1)} s` : durationText(ms);
}

function print(...lines: readonly string[]): void {
  process.stdout.write(lines.map((line) => `${line}\n`).join(""));
}
