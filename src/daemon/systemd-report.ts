/** Tells systemd, again and again, that the process lives and how the node is doing. */
import { type NodeStatus, troublesOf } from "../api/operator/node-status.ts";
import type { SystemdNotify } from "../io/systemd-notify.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Scope } from "../runtime/scope.ts";
import type { Liveness } from "./liveness.ts";

const BEAT_MS_MAX = 5_000;
/** One lost beat, or two, must not look like a death. */
const BEATS_PER_WATCHDOG = 4;

export interface SystemdReportParts {
  readonly systemd: SystemdNotify;
  readonly liveness: Liveness;
  readonly status: () => Promise<NodeStatus>;
  readonly clock: Clock;
}

export function reportToSystemd({ systemd, liveness, status, clock }: SystemdReportParts, scope: Scope): void {
  const beatMs = Math.min(BEAT_MS_MAX, (systemd.watchdogMs ?? Infinity) / BEATS_PER_WATCHDOG);
  scope.spawn("report to systemd", async (signal) => {
    while (!signal.aborted) {
      const [trouble] = liveness.troubles();
      // Nothing is said for a process that does not work: the watchdog ends it then.
      if (trouble === undefined && systemd.watchdogMs !== undefined) systemd.alive();
      systemd.status(trouble ?? sentenceOn(await status()));
      await clock.sleep(beatMs, signal).catch(() => undefined);
    }
  });
}

/** "north is ready: 2 of 2 links up, 4 of 4 pools at their low mark or above; no troubles" */
export function sentenceOn(status: NodeStatus): string {
  const { node, health, links, pools } = status;
  const up = links.filter(({ session }) => session === "up").length;
  const planned = pools.filter(({ lowKeys }) => lowKeys !== undefined);
  const stocked = planned.filter(({ keys, lowKeys }) => keys >= lowKeys!).length;
  const troubles = troublesOf(status);
  const [first] = troubles;
  const more = troubles.length > 1 ? ` (and ${troubles.length - 1} more)` : "";
  return (
    `${node} is ${health.ready ? "ready" : "not ready"}: ${up} of ${links.length} links up, ` +
    `${stocked} of ${planned.length} pools at their low mark or above; ${first === undefined ? "no troubles" : first + more}`
  );
}
