import driver from "../../drivers/serial-frame/index.ts";
import { openEmulatorBench } from "../fakes/emulator-bench.ts";
import { describeQkdDriver } from "./qkd-driver.contract.ts";

describeQkdDriver("serial-frame, over a pseudo-terminal", async ({ rateBps, blockBytes, keptBlocksMax }) => {
  const bench = await openEmulatorBench({ rateBps, blockBytes, keptBytes: keptBlocksMax * blockBytes });
  const { emulator, host, paths } = bench;
  const state = () => emulator.links()[0]!;
  const cause = async (name: "unplug" | "plug" | "garbage", end: "a" | "b"): Promise<void> => {
    await emulator.cause({ name, link: "link", end });
  };
  return {
    driver,
    configs: { a: { path: paths.a }, b: { path: paths.b } },
    host,
    generatedBlocks: () => state().generatedBlocks,
    acknowledgedBlocks: (end) => state().acknowledgedBlocks[end],
    unplug: (end) => cause("unplug", end),
    plug: (end) => cause("plug", end),
    addGarbage: (end) => cause("garbage", end),
    until: (predicate) => bench.until(predicate),
    pass: (durationMs) => host.clock.sleep(durationMs, bench.scope.signal),
    close: () => bench.close(),
  };
});
