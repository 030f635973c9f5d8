/** How Node.js is started for a daemon, by whatever starts one: `scripts/launch` and `systemd/qkdnd.service` say the same. */

export const LAUNCH_OPTIONS = [
  // without it, a SIGUSR1 opens the inspector, and with it a door to the keys in memory
  "--disable-sigusr1",
  "--max-semi-space-size=2",
  // V8's four helpers, all at once, take both cores of a small host from whoever waits for a key
  "--v8-pool-size=1",
] as const;

/**
 * An arena for each thread would keep 20 MB more; with a single one, threads wait for each other. What is freed at the top goes
 * back to the system at once, and not only where it has grown to some megabytes: 8 MB less under load.
 */
export const LAUNCH_ENVIRONMENT = { MALLOC_ARENA_MAX: "2", MALLOC_TRIM_THRESHOLD_: "131072" } as const;
