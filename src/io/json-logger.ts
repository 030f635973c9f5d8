/** The log of a node as one JSON object a line: `level`, `time`, `event`, and the facts as fields of their own. */
import { type DestinationStream, type Logger as PinoLogger, destination, pino, stdTimeFunctions } from "pino";

import type { LogFacts, Logger } from "../runtime/logger.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** A file descriptor (1: standard output), a path, or a stream of the caller's. */
export type LogDestination = number | string | DestinationStream;

/** Names that each line has already. */
const OWN_FIELDS = new Set(["level", "time", "event"]);

/**
 * Lines are written before the call returns: few are written, and the last one before an end is the one that matters.
 *
 * @param options.facts  fields of every line, such as `node`
 */
export function createJsonLogger(options: {
  readonly level: LogLevel;
  readonly destination: LogDestination;
  readonly facts?: LogFacts;
}): Logger {
  const { destination: to } = options;
  const stream = typeof to === "object" ? to : destination({ dest: to, sync: true });
  const settings = {
    level: options.level,
    base: { ...options.facts },
    messageKey: "event",
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return wrap(pino(settings, stream));
}

function wrap(inner: PinoLogger): Logger {
  return {
    debug: (event, facts) => inner.debug(ownNames(facts), event),
    info: (event, facts) => inner.info(ownNames(facts), event),
    warn: (event, facts) => inner.warn(ownNames(facts), event),
    error: (event, facts) => inner.error(ownNames(facts), event),
    child: (facts) => wrap(inner.child(ownNames(facts))),
  };
}

/** A fact that is called like a line's own field gets an underscore: no name twice in a line. */
function ownNames(facts: LogFacts = {}): LogFacts {
  if (!Object.keys(facts).some((name) => OWN_FIELDS.has(name))) return facts;
  return Object.fromEntries(
    Object.entries(facts).map(([name, fact]) => [OWN_FIELDS.has(name) ? `${name}_` : name, fact]),
  );
}
