/** The life of a daemon process: opens one daemon, waits for the word to end, and ends with a code that says why. */
import { join } from "node:path";

import { loadDrivers } from "../io/driver-loader.ts";
import { createJsonLogger } from "../io/json-logger.ts";
import { findSystemdNotify, type SystemdNotify } from "../io/systemd-notify.ts";
import { createSystemClock } from "../io/system-clock.ts";
import { createSystemRandom } from "../io/system-random.ts";
import { oneTimeTag } from "../link/one-time-tag.ts";
import { isQkdError, sentenceOf } from "../model/errors.ts";
import type { Logger } from "../runtime/logger.ts";
import { openScope, type Scope } from "../runtime/scope.ts";
import { type DaemonConfig, readConfigFile } from "./config-file.ts";
import { openDaemon } from "./daemon.ts";
import { onEndingSignals } from "../io/ending-signals.ts";
import { EXIT, exitCodeOf } from "./exit-codes.ts";
import { runSelfTests } from "./self-test.ts";
import { reportToSystemd, sentenceOn } from "./systemd-report.ts";

export const DRIVERS_FOLDER = join(import.meta.dirname, "..", "..", "drivers");
const STDOUT = 1;
const CLOSING_MS_MAX = 5_000;
/** For the answer to whoever asked to zeroize. */
const ANSWER_MS = 100;

/**
 * Runs one daemon until SIGTERM or SIGINT; a second signal, or a part that does not close in time, ends it at once.
 *
 * @returns 0 after an orderly end
 * @throws QkdError  it could not be opened; nothing is left behind
 */
export async function runDaemon(configPath: string): Promise<number> {
  const drivers = await loadDrivers(DRIVERS_FOLDER);
  const config = await readConfigFile(configPath, drivers);
  const facts = { node: config.node.node };
  const log = createJsonLogger({ level: config.logLevel, destination: STDOUT, facts });
  const systemd = findSystemdNotify(process.env, log);
  let zeroizing = false;
  const onFatal = (failure: unknown): void => {
    if (!zeroizing) endAtOnce(log, systemd, failure);
  };
  process.on("uncaughtException", onFatal).on("unhandledRejection", onFatal);
  const scope = openScope("qkdnd", log);
  const asked = Promise.withResolvers<string>();
  let renew = (): void => undefined;
  // A terminal that is closed ends what was started there; a daemon without one is asked to look at its certificates.
  const hangUp = process.stdin.isTTY ? {} : { hangUp: () => renew() };
  onEndingSignals({ first: asked.resolve, again: () => endUnclosed(log, "a second signal"), ...hangUp });
  log.info("starting", { pid: process.pid, nodeJs: process.version, config: config.file });
  try {
    runSelfTests({ tag: oneTimeTag, random: createSystemRandom() });
    const begun = (): void => {
      zeroizing = true;
      systemd?.stopping("all key is being destroyed");
    };
    const done = (): void => void setTimeout(() => process.exit(EXIT.zeroized), ANSWER_MS);
    const { CREDENTIALS_DIRECTORY: credentialsFolder, RUNTIME_DIRECTORY: runtimeFolder } = process.env;
    const folders = { credentialsFolder, runtimeFolder };
    const parts = { drivers, log, onFatal, ...folders, leave: asked.resolve, zeroizing: { begun, done } };
    const { liveness, status, certificates, ...places } = await openDaemon(config, parts, scope);
    renew = () => void certificates.renew();
    if (systemd !== undefined) {
      systemd.ready(sentenceOn(await status()));
      reportToSystemd({ systemd, liveness, status, clock: createSystemClock() }, scope);
    }
    log.info("ready", { ...urlsOf(config), ...places });
  } catch (failure) {
    await scope.close();
    throw failure;
  }
  const reason = await asked.promise;
  systemd?.stopping(`ending after ${reason}`);
  log.info("ending", { reason });
  return closeInTime(scope, log);
}

async function closeInTime(scope: Scope, log: Logger): Promise<number> {
  const overdue = setTimeout(() => endUnclosed(log, `${CLOSING_MS_MAX} ms were not enough`), CLOSING_MS_MAX);
  await scope.close();
  clearTimeout(overdue);
  log.info("ended");
  return EXIT.ok;
}

/** The store is made for that: what was open is burned at the next start. */
function endUnclosed(log: Logger, reason: string): never {
  log.warn("ended before all was closed", { reason });
  process.exit(EXIT.bug);
}

/** After a failed write or a broken invariant nothing more may be written or supplied: no closing, only an end. */
function endAtOnce(log: Logger, systemd: SystemdNotify | undefined, failure: unknown): never {
  const code = exitCodeOf(failure);
  systemd?.stopping(`ended by a failure: ${sentenceOf(failure)}`);
  const kind = isQkdError(failure) ? failure.code : failure instanceof Error ? failure.name : typeof failure;
  log.error("fatal, ending", { code: kind, reason: sentenceOf(failure), exitCode: code, at: placesOf(failure) });
  process.exit(code);
}

/** Where in our sources it happened: functions and lines, never values. */
function placesOf(failure: unknown): readonly string[] {
  const stack = failure instanceof Error ? (failure.stack ?? "") : "";
  const lines = stack.split("\n").filter((line) => line.startsWith("    at "));
  return lines.slice(0, 8).map((line) => line.slice("    at ".length));
}

function urlsOf({ kx, dataDir }: DaemonConfig): { readonly kx: string; readonly dataDir: string } {
  return { kx: `${kx.listen.host}:${kx.listen.port}`, dataDir };
}
