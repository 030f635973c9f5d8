/** Why the process ended, as a number that service managers and scripts act on (after sysexits.h). */
import { type ErrorCode, isQkdError } from "../model/errors.ts";

export const EXIT = {
  ok: 0,
  usage: 64,
  portInUse: 69,
  bug: 70,
  storeFailed: 74,
  storeLocked: 75,
  needsAPerson: 78,
  zeroized: 79,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** One line each, for `--help`; docs/operating.md says what to do. */
export const EXIT_TEXTS: readonly (readonly [code: ExitCode, meaning: string])[] = [
  [EXIT.ok, "ended as asked"],
  [EXIT.usage, "this command line is wrong"],
  [EXIT.portInUse, "another program listens on a port of ours"],
  [EXIT.bug, "a bug of ours; the log's last line tells which"],
  [EXIT.storeFailed, "the disk failed; starting again recovers what is whole"],
  [EXIT.storeLocked, "another process has the store open; it may be worth waiting"],
  [EXIT.needsAPerson, "the configuration is wrong or the store is damaged; starting again does not help"],
  [
    EXIT.zeroized,
    "all keys were destroyed, as an operator or the tamper input asked; a person decides what comes next",
  ],
];

const BY_ERROR: Readonly<Partial<Record<ErrorCode, ExitCode>>> = {
  CONFIG_INVALID: EXIT.needsAPerson,
  STORE_DAMAGED: EXIT.needsAPerson,
  VERSION_MISMATCH: EXIT.needsAPerson,
  STORE_FAILED: EXIT.storeFailed,
  STORE_LOCKED: EXIT.storeLocked,
  PORT_IN_USE: EXIT.portInUse,
};

export function exitCodeOf(failure: unknown): ExitCode {
  return (isQkdError(failure) ? BY_ERROR[failure.code] : undefined) ?? EXIT.bug;
}
