import { createEmulatedLink } from "../fakes/emulated-modules.ts";
import { createRecordingLogger } from "../fakes/recording-logger.ts";
import { createVirtualWorldClock } from "../fakes/virtual-clock.ts";
import type { DriverHost } from "../../src/driver/qkd-driver.ts";
import { describeQkdDriver } from "./qkd-driver.contract.ts";

const MINUTE_MS = 60_000;

describeQkdDriver("a pair in the process, in virtual time", async ({ rateBps, blockBytes, keptBlocksMax }) => {
  await Promise.resolve();
  const world = createVirtualWorldClock({ wallStartMs: 0 });
  const clock = world.clockFor("host");
  const link = createEmulatedLink({
    name: "a--b",
    seed: "contract",
    clock: world.clockFor("modules"),
    rateBps,
    blockBytes,
    unacknowledgedBytesMax: keptBlocksMax * blockBytes,
    burstMs: 10,
  });
  let passing: Promise<boolean> | undefined;
  const refuse = (): never => {
    throw new Error("it has no line");
  };
  const host: DriverHost = {
    clock,
    random: { fill: refuse, fraction: refuse },
    log: createRecordingLogger(),
    openSerialPort: refuse,
  };
  return {
    driver: link.driver,
    configs: link.configs,
    host,
    generatedBlocks: () => link.generatedBlocks(),
    acknowledgedBlocks: (end) => link.generatedBlocks() - link.keptBlocks(end),
    async unplug(end) {
      link.unplug(end);
      await Promise.resolve();
    },
    async plug(end) {
      link.plug(end);
      await Promise.resolve();
    },
    addGarbage: undefined,
    async until(predicate) {
      while (!predicate()) {
        // Time passes for one who waits at a time; the others look again after that.
        if (passing === undefined) {
          passing = world.runUntil(predicate, MINUTE_MS).finally(() => (passing = undefined));
          const isDone = await passing;
          if (!isDone && !predicate()) throw new Error("a virtual minute was not enough");
        } else {
          await passing;
        }
      }
    },
    pass: (durationMs) => world.run(durationMs),
    close: () => Promise.resolve(),
  };
});
