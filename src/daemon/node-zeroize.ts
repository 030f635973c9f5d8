/** Destroys all key of a node, once, and then the process: what an operator or the tamper input asks for. */
import { readFile } from "node:fs/promises";

import type { AuditFileTrail } from "../io/audit-file-trail.ts";
import { sentenceOf } from "../model/errors.ts";
import type { TrustedNode } from "../node/trusted-node.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Scope } from "../runtime/scope.ts";

const TAMPER_LOOK_MS = 100;

export interface ZeroizeParts {
  readonly node: Pick<TrustedNode, "zeroize">;
  readonly audit: AuditFileTrail;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called first: whatever fails from now on is no failure. */
  readonly begun: () => void;
  /** Called when all is destroyed and told: the process ends, and nobody starts it again. */
  readonly done: () => void;
}

export interface Zeroized {
  /** Pieces of stock that there were. */
  readonly dataKeys: number;
  readonly tookMs: number;
}

export type Zeroize = (cause: "operator" | "tamper") => Promise<Zeroized>;

/** @returns what destroys; asked again, it tells of the first time. @throws QkdError STORE_FAILED, the process ends as well */
export function createZeroize({ node, audit, clock, log, begun, done }: ZeroizeParts): Zeroize {
  let running: Promise<Zeroized> | undefined;
  const zeroize = async (cause: "operator" | "tamper"): Promise<Zeroized> => {
    begun();
    const startedAt = clock.monotonic();
    try {
      const dataKeys = await node.zeroize();
      const tookMs = Math.ceil(clock.monotonic() - startedAt);
      audit.record({ event: "zeroized", cause, dataKeys, tookMs });
      log.warn("zeroized: all key of this node was destroyed", { cause, dataKeys, tookMs });
      await audit.flush();
      return { dataKeys, tookMs };
    } catch (failure) {
      const reason = sentenceOf(failure);
      log.error("zeroizing failed on the disk; key in memory was destroyed: destroy the disk", { cause, reason });
      throw failure;
    } finally {
      done();
    }
  };
  return (cause) => (running ??= zeroize(cause));
}

export interface TamperParts {
  /** Holds `activeValue` when somebody tampers: the value of a GPIO line, say. */
  readonly file: string;
  readonly activeValue: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly zeroize: Zeroize;
}

export interface TamperInput {
  /** Why it cannot be read now. */
  troubles(): readonly string[];
}

export const NO_TAMPER_INPUT: TamperInput = { troubles: () => [] };

/**
 * Looks at the tamper input ten times a second: files of sysfs tell nobody that they have changed. An input that cannot be
 * read is a trouble and no alarm: a cable that is loose must not destroy what years of key agreement brought.
 */
export async function watchTamperInput(parts: TamperParts, scope: Scope): Promise<TamperInput> {
  const { file, activeValue, clock, log, zeroize } = parts;
  let trouble: string | undefined;
  const look = async (): Promise<void> => {
    try {
      const value = (await readFile(file, "utf8")).trim();
      if (trouble !== undefined) log.warn("the tamper input can be read again", { file });
      trouble = undefined;
      if (value !== activeValue) return;
    } catch (failure) {
      if (trouble === undefined) log.error("the tamper input cannot be read", { file, reason: sentenceOf(failure) });
      trouble = sentenceOf(failure);
      return;
    }
    await zeroize("tamper").catch(() => undefined); // told already
  };
  await look();
  scope.spawn("tamper input", async (signal) => {
    while (!signal.aborted) {
      await clock.sleep(TAMPER_LOOK_MS, signal).catch(() => undefined);
      if (!signal.aborted) await look();
    }
  });
  return { troubles: () => (trouble === undefined ? [] : [`the tamper input cannot be read: ${trouble}`]) };
}
