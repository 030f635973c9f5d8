/**
 * Virtual time for a whole world of nodes in one process: it stands still while anybody works, then jumps to the next
 * timer.
 *
 * Between two timers there is one turn of the event loop (`setImmediate`). Node.js empties the queues of ticks and of
 * promises completely before the next turn, however long their chains, so all work that a timer set off is done when
 * the next one fires. What would break this are thread-pool results (`crypto.subtle`, files) and real timers: code that
 * runs in a world uses neither. A node's own `setImmediate` keeps its order, but time may pass meanwhile.
 */
import { assert } from "../../src/model/assert.ts";
import { QkdError } from "../../src/model/errors.ts";
import type { Clock, MonotonicMs, WallMs } from "../../src/runtime/clock.ts";
import { type Timer, TimerHeap } from "./timer-heap.ts";

export interface VirtualWorldClock {
  /** Milliseconds since the world began; with fractions. */
  now(): number;
  /** The true wall time, without any node's skew. */
  wall(): WallMs;
  /** A timer of the world itself (a network, a checker), which no node's death removes. */
  after(durationMs: number, then: () => void): () => void;
  /** A clock for one life of a node: its monotonic time begins at 0, its wall time is off by `wallSkewMs`. */
  clockFor(name: string, options?: { readonly wallSkewMs?: number }): LifeClock;
  /** Ends the present life of that name, if there is one. */
  kill(name: string): void;
  /** Sets the wall clock of a node, now and in later lives: a jump. */
  setWallSkew(name: string, wallSkewMs: number): void;
  /** Lets `durationMs` pass. @throws whatever a timer's function throws; time stands still at that moment */
  run(durationMs: number): Promise<void>;
  /** Lets time pass until `predicate` holds after some timer. @returns false when `maxMs` passed before */
  runUntil(predicate: () => boolean, maxMs: number): Promise<boolean>;
  readonly timersWaiting: number;
  readonly timersFired: number;
}

/** Time for one life of a node. After `kill` no timer fires, no sleep settles, no timeout aborts. */
export interface LifeClock extends Clock {
  readonly name: string;
  readonly alive: boolean;
  kill(): void;
}

export function createVirtualWorldClock(options: { readonly wallStartMs: number }): VirtualWorldClock {
  return new WorldClock(options.wallStartMs);
}

class WorldClock implements VirtualWorldClock {
  readonly #wallStartMs: number;
  readonly #timers = new TimerHeap();
  readonly #lives = new Map<string, VirtualLifeClock>();
  readonly #wallSkewMs = new Map<string, number>();
  #nowMs = 0;
  #order = 0;
  #fired = 0;
  #running = false;

  constructor(wallStartMs: number) {
    this.#wallStartMs = wallStartMs;
  }

  get timersWaiting(): number {
    return this.#timers.size;
  }

  get timersFired(): number {
    return this.#fired;
  }

  now(): number {
    return this.#nowMs;
  }

  wall(): WallMs {
    return Math.floor(this.#wallStartMs + this.#nowMs);
  }

  after(durationMs: number, then: () => void): () => void {
    return this.set(durationMs, then, this);
  }

  clockFor(name: string, options: { readonly wallSkewMs?: number } = {}): LifeClock {
    assert(!this.#lives.has(name), `${name} lives: kill it before its next life`);
    if (options.wallSkewMs !== undefined) this.setWallSkew(name, options.wallSkewMs);
    const clock = new VirtualLifeClock(name, this);
    this.#lives.set(name, clock);
    return clock;
  }

  kill(name: string): void {
    this.#lives.get(name)?.kill();
  }

  setWallSkew(name: string, wallSkewMs: number): void {
    this.#wallSkewMs.set(name, wallSkewMs);
  }

  async run(durationMs: number): Promise<void> {
    await this.#pass(durationMs, () => false);
  }

  runUntil(predicate: () => boolean, maxMs: number): Promise<boolean> {
    return this.#pass(maxMs, predicate);
  }

  /** For the clocks of lives. */
  set(durationMs: number, then: () => void, owner: object): () => void {
    assert(!Number.isNaN(durationMs), "a wait is a number of milliseconds");
    const timer: Timer = { atMs: this.#nowMs + Math.max(0, durationMs), order: this.#order++, owner, then, place: -1 };
    this.#timers.add(timer);
    return () => this.#timers.remove(timer);
  }

  /** For the clocks of lives. */
  buried(life: VirtualLifeClock): void {
    this.#lives.delete(life.name);
    this.#timers.removeAllOf(life);
  }

  wallOf(name: string): WallMs {
    return Math.floor(this.#wallStartMs + this.#nowMs + (this.#wallSkewMs.get(name) ?? 0));
  }

  #pass(durationMs: number, predicate: () => boolean): Promise<boolean> {
    assert(!this.#running, "time passes once: await the run before");
    this.#running = true;
    const endMs = this.#nowMs + durationMs;
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    const turn = (): void => {
      try {
        if (predicate()) return resolve(true);
        const timer = this.#timers.first();
        if (timer === undefined || timer.atMs > endMs) {
          if (endMs !== Infinity) this.#nowMs = endMs;
          return resolve(false);
        }
        this.#timers.remove(timer);
        this.#nowMs = timer.atMs;
        this.#fired += 1;
        timer.then();
        setImmediate(turn);
      } catch (failure) {
        reject(failure);
      }
    };
    setImmediate(turn);
    return promise.finally(() => (this.#running = false));
  }
}

class VirtualLifeClock implements LifeClock {
  readonly name: string;
  readonly #world: WorldClock;
  readonly #bornAtMs: number;
  readonly #waiting = new WeakMap<AbortSignal, Set<() => void>>();
  #alive = true;

  constructor(name: string, world: WorldClock) {
    this.name = name;
    this.#world = world;
    this.#bornAtMs = world.now();
  }

  get alive(): boolean {
    return this.#alive;
  }

  kill(): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.#world.buried(this);
  }

  wall(): WallMs {
    return this.#world.wallOf(this.name);
  }

  monotonic(): MonotonicMs {
    return this.#world.now() - this.#bornAtMs;
  }

  after(durationMs: number, then: () => void): () => void {
    if (!this.#alive) return () => undefined;
    return this.#world.set(durationMs, then, this);
  }

  sleep(durationMs: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted && this.#alive) return Promise.reject(interrupted(signal));
    return new Promise((resolve, reject) => {
      const forget = this.#onAbort(signal, () => {
        cancel();
        reject(interrupted(signal));
      });
      const cancel = this.after(durationMs, () => {
        forget();
        resolve();
      });
    });
  }

  timeout(durationMs: number, parent?: AbortSignal): AbortSignal {
    const abort = new AbortController();
    if (parent?.aborted === true) {
      abort.abort(parent.reason);
      return abort.signal;
    }
    const forget =
      parent === undefined
        ? () => undefined
        : this.#onAbort(parent, () => {
            cancel();
            abort.abort(parent.reason);
          });
    const cancel = this.after(durationMs, () => {
      forget();
      abort.abort(new QkdError("DEADLINE", `the time allowed, ${durationMs} ms, is over`, { durationMs }));
    });
    return abort.signal;
  }

  /** One listener for each signal, however many wait: an EventTarget walks its whole list for each one added. */
  #onAbort(signal: AbortSignal, then: () => void): () => void {
    let waiting = this.#waiting.get(signal);
    if (waiting === undefined) {
      const calls = new Set<() => void>();
      waiting = calls;
      this.#waiting.set(signal, calls);
      const tell = (): void => {
        for (const call of [...calls]) if (this.#alive && calls.delete(call)) call();
      };
      signal.addEventListener("abort", tell, { once: true });
    }
    waiting.add(then);
    return () => waiting.delete(then);
  }
}

function interrupted(signal: AbortSignal): QkdError {
  return new QkdError("CANCELLED", "the wait was interrupted", {}, signal.reason);
}
