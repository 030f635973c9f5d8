/** The emulator's own log: warnings and errors, one JSON object a line, beside its output. */
import type { LogFacts, Logger } from "../runtime/logger.ts";

export function createStderrLog(context: LogFacts = {}): Logger {
  const print = (level: string, event: string, facts: LogFacts = {}): void => {
    process.stderr.write(`${JSON.stringify({ level, event, ...context, ...facts })}\n`);
  };
  return {
    debug: () => undefined,
    info: () => undefined,
    warn: (event, facts) => print("warn", event, facts),
    error: (event, facts) => print("error", event, facts),
    child: (facts) => createStderrLog({ ...context, ...facts }),
  };
}
