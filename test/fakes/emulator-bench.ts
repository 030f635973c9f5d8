/** An emulator inside the test's process, at real pseudo-terminals in a folder of its own, and a host to meet it. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseEmulatorConfig, type LinkDescription } from "../../src/emulator/config.ts";
import { openEmulator, type Emulator } from "../../src/emulator/emulator.ts";
import type { DriverHost } from "../../src/driver/qkd-driver.ts";
import { openSerialPort } from "../../src/io/serial-port.ts";
import { createSystemClock } from "../../src/io/system-clock.ts";
import { createSystemRandom } from "../../src/io/system-random.ts";
import { openScope, type Scope } from "../../src/runtime/scope.ts";
import { createRecordingLogger, type RecordingLogger } from "./recording-logger.ts";

export interface EmulatorBench {
  readonly emulator: Emulator;
  readonly host: DriverHost;
  readonly scope: Scope;
  readonly log: RecordingLogger;
  /** Where the terminals of the one link, "link", are. */
  readonly paths: { readonly a: string; readonly b: string };
  /** @throws Error after five seconds */
  until(predicate: () => boolean): Promise<void>;
  close(): Promise<void>;
}

const PATIENCE_MS = 5000;
const POLL_MS = 2;

export async function openEmulatorBench(link: Omit<LinkDescription, "id" | "a" | "b">): Promise<EmulatorBench> {
  const folder = await mkdtemp(join(tmpdir(), "qkd-emulator-"));
  const paths = { a: join(folder, "a"), b: join(folder, "b") };
  const { links } = parseEmulatorConfig({ links: [{ id: "link", ...paths, ...link }] });
  const log = createRecordingLogger();
  const scope = openScope("bench", log);
  const clock = createSystemClock();
  const random = createSystemRandom();
  const emulator = await openEmulator(links, { clock, random, log }, scope.child("emulator"));
  return {
    emulator,
    host: { clock, random, log, openSerialPort },
    scope,
    log,
    paths,
    async until(predicate) {
      const deadline = clock.timeout(PATIENCE_MS);
      while (!predicate()) await clock.sleep(POLL_MS, deadline);
    },
    async close() {
      await scope.close();
      await rm(folder, { recursive: true });
    },
  };
}
