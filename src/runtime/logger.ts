/** One log line is one event; its facts are fields. Key material has no way here: `LogFacts` cannot hold bytes. */

export type LogFact = string | number | boolean | undefined | readonly string[] | readonly number[];
export type LogFacts = Readonly<Record<string, LogFact>>;

export interface Logger {
  debug(event: string, facts?: LogFacts): void;
  info(event: string, facts?: LogFacts): void;
  warn(event: string, facts?: LogFacts): void;
  error(event: string, facts?: LogFacts): void;
  /** The same log with more facts on every line. */
  child(facts: LogFacts): Logger;
}
