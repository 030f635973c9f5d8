/**
 * What a service tells the manager that started it (sd_notify(3) of systemd): that it is ready, how it is doing, that it
 * lives, that it is ending.
 *
 * Node.js has no Unix datagram sockets. `scripts/with-notify-socket` opens one before the daemon begins, and a write to its
 * descriptor is one datagram.
 */
import { writeSync } from "node:fs";

import { sentenceOf } from "../model/errors.ts";
import type { Logger } from "../runtime/logger.ts";

export interface SystemdNotify {
  /** How long it waits for the next `alive` before it ends the process; undefined when it does not watch. */
  readonly watchdogMs: number | undefined;
  /** Key can be asked for from now on. */
  ready(sentence: string): void;
  /** One line, shown by `systemctl status`. */
  status(sentence: string): void;
  alive(): void;
  stopping(sentence: string): void;
}

type Environment = Readonly<Record<string, string | undefined>>;

const MICROSECONDS_PER_MS = 1000;
const STATUS_CHARACTERS_MAX = 500;

/** @returns undefined when no service manager listens */
export function findSystemdNotify(environment: Environment, log: Logger): SystemdNotify | undefined {
  const named = environment["QKDND_NOTIFY_FD"] ?? "";
  const descriptor = /^\d+$/.test(named) ? Number(named) : Number.NaN;
  if (!Number.isInteger(descriptor)) {
    if (environment["NOTIFY_SOCKET"] !== undefined) {
      log.warn("the service manager waits for a word that cannot be given", {
        remedy: "start the daemon by scripts/with-notify-socket, as systemd/qkdnd.service does; or set Type=exec",
      });
    }
    return undefined;
  }
  let status = "";
  const tell = (...lines: readonly string[]): void => {
    try {
      writeSync(descriptor, lines.join("\n"));
    } catch (failure) {
      // Its queue is full, or it is being replaced: what counts is told again with the next beat.
      log.debug("the service manager did not take a message", { message: lines[0]!, reason: sentenceOf(failure) });
      status = "";
    }
  };
  return {
    watchdogMs: watchdogMsOf(environment),
    ready: (sentence) => tell("READY=1", statusLine(sentence)),
    status: (sentence) => {
      if (sentence === status) return;
      status = sentence;
      tell(statusLine(sentence));
    },
    alive: () => tell("WATCHDOG=1"),
    stopping: (sentence) => tell("STOPPING=1", statusLine(sentence)),
  };
}

const statusLine = (sentence: string): string =>
  `STATUS=${sentence.replaceAll(/\s+/g, " ").slice(0, STATUS_CHARACTERS_MAX)}`;

function watchdogMsOf({ WATCHDOG_USEC: microseconds, WATCHDOG_PID: pid }: Environment): number | undefined {
  if (pid !== undefined && pid !== String(process.pid)) return undefined;
  const ms = Number(microseconds ?? Number.NaN) / MICROSECONDS_PER_MS;
  return ms > 0 ? ms : undefined;
}
