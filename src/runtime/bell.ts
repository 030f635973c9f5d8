/** A bell wakes one waiting task; rung while nobody waits, it is heard at the next wait. Never lost, never queued twice. */

export class Bell {
  #rung = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  /** Returns when the bell was rung since the last return, or when `signal` aborts (never throws). */
  async heard(signal: AbortSignal): Promise<void> {
    if (!this.#rung && !signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const wake = (): void => resolve();
      this.#wake = wake;
      signal.addEventListener("abort", wake, { once: true });
      await promise;
      signal.removeEventListener("abort", wake);
      this.#wake = undefined;
    }
    this.#rung = false;
  }
}
