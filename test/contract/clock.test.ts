/** The laws of the port for the machine's clock and for a node's clock in a simulated world. */
import { createSystemClock } from "../../src/io/system-clock.ts";
import { createVirtualWorldClock } from "../fakes/virtual-clock.ts";
import { describeClock } from "./clock.contract.ts";

describeClock("system", () => ({
  clock: createSystemClock(),
  /** Its timeouts do not keep the process alive; whoever waits for one does. */
  async settled(promise) {
    const waiting = setInterval(() => undefined, 1_000);
    try {
      return await promise;
    } finally {
      clearInterval(waiting);
    }
  },
}));

describeClock("virtual", () => {
  const world = createVirtualWorldClock({ wallStartMs: Date.UTC(2026, 0, 1) });
  return {
    clock: world.clockFor("node", { wallSkewMs: 250.5 }),
    async settled(promise) {
      let isSettled = false;
      const note = (): void => void (isSettled = true);
      promise.then(note, note);
      await world.runUntil(() => isSettled, 10_000);
      return promise;
    },
  };
});
