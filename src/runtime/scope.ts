/** Lifetimes: what was opened in a scope is closed with it, in reverse order; its tasks end with it. */
import { QkdError, isQkdError, sentenceOf } from "../model/errors.ts";
import type { Logger } from "./logger.ts";

/** The lifetime of a thing and of all that it opened. `open…(…, scope)` returns a working thing or throws. */
export interface Scope {
  readonly name: string;
  readonly signal: AbortSignal;
  /** Runs a background task. Its failure closes the scope, and so reaches whoever opened it. */
  spawn(name: string, task: (signal: AbortSignal) => Promise<void>): void;
  /** Closing steps run in reverse order, each awaited. */
  defer(name: string, close: () => void | Promise<void>): void;
  /** A scope inside this one, which may fail and be reopened alone. Closed with its parent. */
  child(name: string): Scope;
  /** Ends tasks, then runs closing steps. A task must not await the closing of its own scope. */
  close(reason?: unknown): Promise<void>;
  /** Settles when the scope has closed: rejects with the first failure, if there was one. */
  readonly closed: Promise<void>;
}

export function openScope(name: string, log: Logger): Scope {
  return new OpenScope(name, log);
}

class OpenScope implements Scope {
  readonly name: string;
  readonly closed: Promise<void>;
  readonly #log: Logger;
  readonly #abort = new AbortController();
  readonly #steps: { name: string; close: () => void | Promise<void> }[] = [];
  readonly #tasks = new Set<Promise<void>>();
  readonly #settle: { resolve: () => void; reject: (failure: unknown) => void };
  #closing: Promise<void> | undefined;
  #failure: { reason: unknown } | undefined;

  constructor(name: string, log: Logger) {
    this.name = name;
    this.#log = log;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.closed = promise;
    this.closed.catch(() => undefined); // a failure is also logged: nobody has to listen
    this.#settle = { resolve, reject };
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  spawn(name: string, task: (signal: AbortSignal) => Promise<void>): void {
    this.#mustBeOpen(name);
    const running = task(this.signal).catch((failure: unknown) => this.#fail(name, failure));
    this.#tasks.add(running);
    void running.finally(() => this.#tasks.delete(running));
  }

  defer(name: string, close: () => void | Promise<void>): void {
    this.#mustBeOpen(name);
    this.#steps.push({ name, close });
  }

  child(name: string): Scope {
    this.#mustBeOpen(name);
    const inner = new OpenScope(`${this.name}/${name}`, this.#log);
    const step = { name, close: () => inner.close() };
    this.#steps.push(step);
    inner.closed
      .catch(() => undefined)
      .finally(() => {
        const at = this.#steps.indexOf(step);
        if (at >= 0 && this.#closing === undefined) this.#steps.splice(at, 1);
      });
    return inner;
  }

  close(reason?: unknown): Promise<void> {
    if (reason !== undefined && this.#failure === undefined) this.#failure = { reason };
    this.#closing ??= this.#closeAll();
    return this.#closing;
  }

  async #closeAll(): Promise<void> {
    this.#abort.abort(new QkdError("CANCELLED", `${this.name} is closing`, {}));
    await Promise.all(this.#tasks);
    for (const step of this.#steps.reverse()) {
      try {
        await step.close();
      } catch (failure) {
        this.#log.warn("closing failed", { scope: this.name, step: step.name, reason: sentenceOf(failure) });
      }
    }
    if (this.#failure === undefined) this.#settle.resolve();
    else this.#settle.reject(this.#failure.reason);
  }

  #fail(task: string, failure: unknown): void {
    if (this.signal.aborted && isQkdError(failure, "CANCELLED")) return;
    this.#log.debug("task failed", { scope: this.name, task, reason: sentenceOf(failure) });
    void this.close(failure);
  }

  #mustBeOpen(what: string): void {
    if (this.#closing !== undefined) throw new QkdError("CANCELLED", `${this.name} is closed: no ${what}`, {});
  }
}
