/** A log that tests can read. */
import type { LogFacts, Logger } from "../../src/runtime/logger.ts";

export interface LogLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly event: string;
  readonly facts: LogFacts;
}

export interface RecordingLogger extends Logger {
  /** Every line, of the children too, oldest first. */
  readonly lines: readonly LogLine[];
  events(level?: LogLine["level"]): readonly string[];
}

export function createRecordingLogger(): RecordingLogger {
  return record([], {});
}

function record(lines: LogLine[], context: LogFacts): RecordingLogger {
  const at =
    (level: LogLine["level"]) =>
    (event: string, facts: LogFacts = {}): void => {
      lines.push({ level, event, facts: { ...context, ...facts } });
    };
  return {
    lines,
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: (facts) => record(lines, { ...context, ...facts }),
    events: (level) => lines.filter((line) => level === undefined || line.level === level).map((line) => line.event),
  };
}
