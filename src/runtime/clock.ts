/** Time as a node sees it: a wall clock that may jump, and a monotonic one for everything that waits. */

declare const unit: unique symbol;
/** Milliseconds since 1970-01-01T00:00:00Z; may jump. For expiry, records and certificates only. */
export type WallMs = number & { readonly [unit]?: "wall ms" };
/** Milliseconds since an unnamed start; never runs back. For every duration, timeout and rate. */
export type MonotonicMs = number & { readonly [unit]?: "monotonic ms" };

export interface Clock {
  wall(): WallMs;
  monotonic(): MonotonicMs;
  /** @throws QkdError CANCELLED as soon as `signal` aborts */
  sleep(durationMs: number, signal: AbortSignal): Promise<void>;
  /** A signal that aborts when `parent` does, or after `durationMs`. */
  timeout(durationMs: number, parent?: AbortSignal): AbortSignal;
  /** Runs `then` once after `durationMs`, unless the returned function is called first. */
  after(durationMs: number, then: () => void): () => void;
}
