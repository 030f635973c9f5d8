/** The laws of the port on the simulated network, in virtual time. */
import assert from "node:assert/strict";
import { describePeerTransport } from "./peer-transport.contract.ts";
import { parseNodeId } from "../../src/model/ids.ts";
import { openScope } from "../../src/runtime/scope.ts";
import { type NodeLife, openNodeLife } from "../fakes/node-life.ts";
import { createRecordingLogger } from "../fakes/recording-logger.ts";
import { createSeededRandom } from "../fakes/seeded-random.ts";
import { createSimNetwork } from "../fakes/sim-network.ts";
import { createTrace } from "../fakes/trace.ts";
import { createVirtualWorldClock } from "../fakes/virtual-clock.ts";

const UNTIL_MS = 10_000;

describePeerTransport("simulated network", async () => {
  const clock = createVirtualWorldClock({ wallStartMs: 0 });
  const trace = createTrace({ now: () => clock.now() });
  const random = createSeededRandom("peer transport");
  const network = createSimNetwork({ clock, random, trace, latencyMs: [0.2, 3], bytesPerSecond: 10_000_000 });
  const liveAs = (node: string): NodeLife => openNodeLife({ clock, node, number: 1 });
  const [a, b, impostor] = [liveAs("a"), liveAs("b"), liveAs("impostor")];
  const scope = openScope("b", createRecordingLogger());
  const impostorScope = openScope("impostor", createRecordingLogger());
  await network.transportFor(impostor).serve(() => undefined, impostorScope);
  network.distrust("a", "impostor");
  const until = async (condition: () => boolean): Promise<void> => {
    assert.ok(await clock.runUntil(condition, UNTIL_MS), "it does not happen");
  };
  return {
    a: network.transportFor(a),
    b: network.transportFor(b),
    scope,
    nobody: parseNodeId("nobody"),
    impostor: parseNodeId("impostor"),
    deadline: (durationMs) => a.clock.timeout(durationMs),
    async settled(promise) {
      let isSettled = false;
      const note = (): void => void (isSettled = true);
      promise.then(note, note);
      await until(() => isSettled);
      return promise;
    },
    until,
    pass: (durationMs) => clock.run(durationMs),
    async close() {
      await scope.close();
      await impostorScope.close();
    },
  };
});
