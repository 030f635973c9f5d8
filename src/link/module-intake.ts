/** Opens the QKD module of a link, takes its keys into quarantine, and opens it again with back-off when it is lost. */
import { BrokenInvariant } from "../model/assert.ts";
import { isQkdError, QkdError, sentenceOf } from "../model/errors.ts";
import type { DriverHost, QkdDriver, QkdModule } from "../driver/qkd-driver.ts";
import type { Random } from "../runtime/random.ts";
import type { Scope } from "../runtime/scope.ts";
import { HEALTH_FAULTS, KeyHealth } from "./key-health.ts";
import { storeKeys } from "./key-intake.ts";
import type { LinkParts } from "./link-parts.ts";
import type { ChunkRecord } from "./link-records.ts";

const BACKOFF_MIN_MS = 250;
const BACKOFF_MAX_MS = 10_000;
const FULL_POLL_MS = 100;
const QUARANTINE_FULL = "quarantine is full of keys that the neighbour has not agreed on: the module waits";
/** After a batch that filled fewer segments than this, the next one is waited for a moment: a commit costs as much for a few keys. */
const BATCH_SEGMENTS_GOOD = 2;
const BATCH_PAUSE_MS = 20;

export interface ModuleIntakeParts {
  readonly driver: QkdDriver;
  readonly driverConfig: unknown;
  readonly host: DriverHost;
  readonly random: Random;
  readonly link: LinkParts;
  readonly intakePaused: () => boolean;
  readonly onStored: (chunks: readonly ChunkRecord[]) => void;
}

export interface ModuleIntake {
  /** The module that is open now. */
  module(): QkdModule | undefined;
  /** Until `scope` closes. */
  run(scope: Scope): Promise<void>;
}

export function createModuleIntake(parts: ModuleIntakeParts): ModuleIntake {
  const { link } = parts;
  const health = new KeyHealth(parts.random);
  let module: QkdModule | undefined;

  const serve = async (scope: Scope): Promise<void> => {
    module = await parts.driver.open(parts.driverConfig, parts.host, scope);
    const { vendor, model, serialNumber } = module.identity;
    link.log.info("module open", { vendor, model, serialNumber });
    link.troubles.clear("module");
    if (module.keySource.kind === "fetch") {
      throw new QkdError("CONFIG_INVALID", `driver ${parts.driver.name}: links take modules of kind "stream" only`, {});
    }
    const last = link.stock.state.lastModuleKey;
    for await (const batch of module.keySource.keys(last === "" ? undefined : last, scope.signal)) {
      const { lengthBytes } = batch.material;
      await storeKeys({ ...parts, health }, batch);
      await roomInStock(link, parts.intakePaused, scope.signal); // the module is told that the keys are stored only after this
      if (lengthBytes >= BATCH_SEGMENTS_GOOD * link.limits.segmentBytes) continue;
      await link.clock.sleep(BATCH_PAUSE_MS, scope.signal).catch(() => undefined);
    }
  };

  return {
    module: () => module,
    async run(scope) {
      for (const reason of HEALTH_FAULTS) link.metrics.unfitBits.add({ link: link.link, reason }, 0);
      let backoffMs = BACKOFF_MIN_MS;
      while (!scope.signal.aborted) {
        const openedAt = link.clock.monotonic();
        const failure = await oneLife(scope, serve);
        module = undefined;
        if (scope.signal.aborted) return;
        const reason = sentenceOf(failure);
        link.troubles.lasts("module", `module lost: ${reason}`);
        link.log.warn("module lost", { reason });
        if (link.clock.monotonic() - openedAt > BACKOFF_MAX_MS) backoffMs = BACKOFF_MIN_MS;
        await link.clock.sleep(backoffMs, scope.signal).catch(() => undefined);
        backoffMs = Math.min(2 * backoffMs, BACKOFF_MAX_MS);
      }
    },
  };
}

/** One life of the module, from its opening to its loss. @returns why it was lost */
async function oneLife(scope: Scope, serve: (life: Scope) => Promise<void>): Promise<unknown> {
  const life = scope.child("module");
  // A scope closes its children after its tasks, and this task waits for the child.
  const end = (): void => void life.close();
  scope.signal.addEventListener("abort", end, { once: true });
  const failure = await serve(life).then(
    () => life.signal.reason as unknown,
    (reason: unknown) => reason,
  );
  scope.signal.removeEventListener("abort", end);
  await life.close();
  if (scope.signal.aborted) return undefined;
  if (isQkdError(failure, "STORE_FAILED") || failure instanceof BrokenInvariant) throw failure;
  return await life.closed.then(
    () => failure,
    (reason: unknown) => reason,
  );
}

/** Waits while quarantine or stock is full: back-pressure reaches the module. */
async function roomInStock(
  { stock, limits, clock, troubles }: LinkParts,
  isPaused: () => boolean,
  signal: AbortSignal,
): Promise<void> {
  const quarantineIsFull = (): boolean => stock.quarantine.bytes > limits.quarantineBytesMax;
  while ((quarantineIsFull() || stock.isFull(limits.stockBytesMax) || isPaused()) && !signal.aborted) {
    if (quarantineIsFull())
      troubles.lasts("full", QUARANTINE_FULL); // a stock that is full is as it should be
    else troubles.clear("full");
    await clock.sleep(FULL_POLL_MS, signal).catch(() => undefined);
  }
  troubles.clear("full");
}
