/** One life of a simulated node: from its start to its crash, or to its orderly end. */
import type { LifeClock, VirtualWorldClock } from "./virtual-clock.ts";

/** Everything that the world lends to a life (time, sessions, its mount of the disk) ends with it, in `kill`. */
export interface NodeLife {
  readonly node: string;
  /** 1, 2, 3 …: lives of one node. */
  readonly number: number;
  readonly clock: LifeClock;
  readonly alive: boolean;
  /**
   * Ends this life as SIGKILL does: no timer fires, nothing that was under way settles, nothing more goes out. After an
   * orderly end it is called as well. Doing it again does nothing.
   */
  kill(): void;
  /** Called once, in order of registration, when the life has ended. */
  onKill(then: () => void): void;
}

export interface NodeLifeOptions {
  readonly clock: VirtualWorldClock;
  readonly node: string;
  readonly number: number;
  readonly wallSkewMs?: number;
}

export function openNodeLife(options: NodeLifeOptions): NodeLife {
  const { node, number, wallSkewMs } = options;
  const clock = options.clock.clockFor(node, wallSkewMs === undefined ? {} : { wallSkewMs });
  const listeners: (() => void)[] = [];
  return {
    node,
    number,
    clock,
    get alive() {
      return clock.alive;
    },
    kill() {
      if (!clock.alive) return;
      clock.kill();
      for (const then of listeners.splice(0)) then();
    },
    onKill(then) {
      if (clock.alive) listeners.push(then);
      else then();
    },
  };
}
