/** A load process: SAEs that ask real daemons for keys. Orders come on standard input; it ends with that. */
import { createInterface } from "node:readline";
import { createLane } from "./lane.ts";
import type { LoadOrder, LoadSetup } from "./load-protocol.ts";
import { LoadWindow } from "./load-window.ts";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const setup = JSON.parse((await lines.next()).value as string) as LoadSetup;
const lanes = Array.from({ length: setup.lanes }, () => createLane(setup));
await Promise.all(lanes.map((lane) => lane.open()));
for (let line = await lines.next(); line.done !== true; line = await lines.next()) {
  const result = await new LoadWindow(lanes).run(JSON.parse(line.value) as LoadOrder);
  console.log(JSON.stringify(result));
}
for (const lane of lanes) lane.close();
