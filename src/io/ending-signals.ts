/** The signals that ask a process to end, and to end at once. */

const ENDING_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** Ctrl-C under npm comes twice: from the terminal, and passed on by npm. */
const SAME_WORD_MS = 700;

/**
 * Calls `first` once, and `again` for each signal that comes clearly later.
 *
 * @param asked.hangUp  what SIGHUP asks for, where that is no end
 */
export function onEndingSignals(asked: {
  readonly first: (signal: NodeJS.Signals) => void;
  readonly again: () => void;
  readonly hangUp?: () => void;
}): void {
  let firstAt: number | undefined;
  const heard = (signal: NodeJS.Signals): void => {
    if (firstAt === undefined) {
      firstAt = performance.now();
      asked.first(signal);
    } else if (performance.now() - firstAt > SAME_WORD_MS) {
      asked.again();
    }
  };
  for (const signal of ENDING_SIGNALS) process.on(signal, signal === "SIGHUP" ? (asked.hangUp ?? heard) : heard);
}
