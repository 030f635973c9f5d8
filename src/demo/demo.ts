/** The demo: brings the network up, shows how it is doing, and ends it. */
import { rm } from "node:fs/promises";
import { resolve } from "node:path";

import { percentText, rateText } from "../api/operator/text-table.ts";
import { LINK_PROFILES, rateOfProfile } from "../emulator/link-profiles.ts";
import { createJsonLogger } from "../io/json-logger.ts";
import { createSystemClock } from "../io/system-clock.ts";
import { QkdError } from "../model/errors.ts";
import { SECOND_MS } from "../model/units.ts";
import type { Clock } from "../runtime/clock.ts";
import { openScope, type Scope } from "../runtime/scope.ts";
import { curlLines } from "./demo-curl.ts";
import { type DemoFibre, writeDemoFiles } from "./demo-files.ts";
import { type DemoNetwork, openDemoNetwork } from "./demo-network.ts";
import { findPorts, openDemoFolder } from "./demo-places.ts";
import { type DemoPlan, planDemo } from "./demo-plan.ts";
import { type ShapeName, spansOf } from "./demo-shape.ts";
import { createScreen, type Screen } from "./demo-screen.ts";
import { isStocked, networkLines, summaryLine } from "./demo-view.ts";
import { onEndingSignals } from "../io/ending-signals.ts";

const SUMMARY_MS = 10_000;
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
  readonly screen: Screen;
  /** Aborts when the demo is to end. */
  readonly asked: AbortSignal;
}

/**
 * Runs the demo until Ctrl-C, SIGTERM, SIGHUP, or until nobody reads what it prints.
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
  const parts: DemoParts = { clock: createSystemClock(), screen: createScreen(process.stdout), asked: asked.signal };
  try {
    const startedAt = parts.clock.monotonic();
    const opened = await openDemo(request, parts, scope);
    network = opened.network;
    await showUntilAsked({ ...opened, startedAt }, parts);
  } catch (failure) {
    if (!asked.signal.aborted) throw failure;
  } finally {
    parts.screen.draw([]);
    if (asked.signal.aborted) parts.screen.print("ending …");
    await scope.close();
  }
  parts.screen.print(`All processes have ended. The data folder ${resolve(request.data)} stays: start again to go on.`);
}

/** npm passes SIGTERM on; when it was killed, it cannot, and nobody would end us. */
function endWithNpm(end: () => void, asked: AbortSignal): void {
  if (process.env["npm_lifecycle_event"] !== "start") return;
  const npm = process.ppid;
  const watch = setInterval(() => process.ppid === npm || end(), SECOND_MS);
  watch.unref();
  asked.addEventListener("abort", () => clearInterval(watch), { once: true });
}

interface OpenDemo {
  readonly plan: DemoPlan;
  readonly network: DemoNetwork;
  readonly curl: readonly string[];
}

async function openDemo(request: DemoRequest, parts: DemoParts, scope: Scope): Promise<OpenDemo> {
  const { screen } = parts;
  const folder = resolve(request.data);
  spansOf(request.shape, request.nodes); // refused before anything is made
  await openDemoFolder(folder, scope);
  const plan = planDemo(folder, request.shape, await findPorts(request.firstPort, request.nodes));
  screen.print(...bannerLines(plan, request));
  await rm(plan.demoFile, { force: true });
  const certificates = await writeDemoFiles(plan, request);
  const network = await openDemoNetwork({ ...parts, plan, certificates, tell: (line) => screen.print(line) }, scope);
  return { plan, network, curl: curlLines(plan, certificates) };
}

function bannerLines({ folder, nodes, links, shape }: DemoPlan, fibre: DemoFibre): readonly string[] {
  const widths = {
    id: Math.max(...nodes.map(({ id }) => id.length)),
    sae: Math.max(...nodes.map(({ sae }) => sae.length)),
  };
  return [
    `qkdnd demo: a QKD network of ${nodes.length} trusted nodes, a ${shape}; an emulator plays the ${2 * links.length} modules, at pseudo-terminals`,
    "",
    ...nodes.map(({ id, sae, etsi014Url }) => `    ${id.padEnd(widths.id)}  ${sae.padEnd(widths.sae)}  ${etsi014Url}`),
    "",
    `    links of ${fibreText(fibre)}: ${links.map(({ id }) => id).join(", ")}`,
    "",
    `Data folder: ${folder} (demo.json there is for other programs)`,
  ];
}

function fibreText({ profile, lengthKm = LINK_PROFILES[profile].lengthKm, rate }: DemoFibre): string {
  const { secretKeyRateBps, qber } = rateOfProfile(profile, lengthKm);
  return `${lengthKm} km (${profile}), ${rateText(rate ?? secretKeyRateBps)}, QBER ${percentText(qber)}`;
}

async function showUntilAsked(
  { plan, network, curl, startedAt }: OpenDemo & { readonly startedAt: number },
  { clock, screen, asked }: DemoParts,
): Promise<void> {
  const [one, other] = plan.apart;
  const sinceStart = (): string => `${((clock.monotonic() - startedAt) / SECOND_MS).toFixed(1)} s`;
  screen.print(
    `Ready after ${sinceStart()}.`,
    "",
    `A key at ${one.id}, and the same key at ${other.id}: paste these two lines into another terminal.`,
    "",
    ...curl,
    "",
    "Ctrl-C ends it.",
    "",
  );
  let stocked = false;
  let summary = "";
  let summaryAt = clock.monotonic();
  while (!asked.aborted) {
    const status = await network.status();
    if (!stocked && isStocked(plan, status)) {
      stocked = true;
      screen.print(`All pools are stocked after ${sinceStart()}.`, "");
      if (!screen.isLive) screen.print(...networkLines(plan, status), "");
      summary = summaryLine(plan, status);
    }
    screen.draw(networkLines(plan, status));
    if (!screen.isLive && clock.monotonic() - summaryAt >= SUMMARY_MS) {
      summaryAt = clock.monotonic();
      const now = summaryLine(plan, status);
      if (now !== summary) screen.print(`${sinceStart()}: ${now}`);
      summary = now;
    }
    await clock.sleep(SECOND_MS, asked).catch(() => undefined);
  }
}
