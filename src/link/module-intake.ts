/** Opens the QKD module of a link, takes its keys into quarantine, and opens it again with back-off when it is lost. */
import { BrokenInvariant } from "../model/assert.ts";
import { isQkdError, QkdError, sentenceOf } from "../model/errors.ts";
import { IdRanges } from "../model/id-ranges.ts";
import { counterOf, countOf, type QkdKeyRunOfLength } from "../model/qkd-key-runs.ts";
import {
  QKD_KEY_BYTES_MAX,
  type DriverHost,
  type QkdDriver,
  type QkdKeyBatch,
  type QkdModule,
} from "../driver/qkd-driver.ts";
import type { Scope } from "../runtime/scope.ts";
import { cutIntoChunks } from "./chunk-borders.ts";
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
  readonly link: LinkParts;
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
      await storeKeys(parts, batch);
      await roomInStock(link, scope.signal); // the module is told that the keys are stored only after this
      if (lengthBytes >= BATCH_SEGMENTS_GOOD * link.limits.segmentBytes) continue;
      await link.clock.sleep(BATCH_PAUSE_MS, scope.signal).catch(() => undefined);
    }
  };

  return {
    module: () => module,
    async run(scope) {
      let backoffMs = BACKOFF_MIN_MS;
      while (!scope.signal.aborted) {
        const openedAt = link.clock.monotonic();
        const life = scope.child("module");
        // A scope closes its children after its tasks, and this task waits for the child.
        const end = (): void => void life.close();
        scope.signal.addEventListener("abort", end, { once: true });
        const failure = await serve(life).then(
          () => life.signal.reason as unknown,
          (reason: unknown) => reason,
        );
        scope.signal.removeEventListener("abort", end);
        module = undefined;
        await life.close();
        if (scope.signal.aborted) return;
        if (isQkdError(failure, "STORE_FAILED") || failure instanceof BrokenInvariant) throw failure;
        const lifeFailure = await life.closed.then(
          () => failure,
          (reason: unknown) => reason,
        );
        const reason = sentenceOf(lifeFailure);
        link.troubles.lasts("module", `module lost: ${reason}`);
        link.log.warn("module lost", { reason });
        if (link.clock.monotonic() - openedAt > BACKOFF_MAX_MS) backoffMs = BACKOFF_MIN_MS;
        await link.clock.sleep(backoffMs, scope.signal).catch(() => undefined);
        backoffMs = Math.min(2 * backoffMs, BACKOFF_MAX_MS);
      }
    },
  };
}

/** Durable when it resolves; the material is erased in any case. */
async function storeKeys(parts: ModuleIntakeParts, batch: QkdKeyBatch): Promise<void> {
  const { stock, clock, log, limits } = parts.link;
  const { runs, last, material } = batch;
  try {
    const fresh = freshKeys(parts.link, runs);
    const transaction = stock.vault.transaction();
    const receivedAt = clock.wall();
    const chunks = material.expose((bytes) =>
      cutIntoChunks(fresh, limits.segmentBytes).map((cut) => stock.sealKeys(transaction, bytes, cut, receivedAt)),
    );
    stock.setState(transaction, { lastModuleKey: last });
    await stock.vault.commit(transaction);
    const refused = countOf(runs) - countOf(fresh);
    if (refused > 0) log.warn("keys refused", { keys: refused });
    if (chunks.length > 0) parts.onStored(chunks);
  } finally {
    material.erase();
  }
}

/** Keys of a length that a segment can hold, and whose ids are on no other key that is still around. */
function freshKeys(
  { stock }: LinkParts,
  runs: readonly QkdKeyRunOfLength[],
): (QkdKeyRunOfLength & { readonly offsetBytes: number })[] {
  const seen = new IdRanges<true>();
  const fresh: (QkdKeyRunOfLength & { readonly offsetBytes: number })[] = [];
  let runAt = 0;
  for (const run of runs) {
    const { keyBytes } = run;
    const offsetBytes = runAt;
    runAt += run.count * keyBytes;
    if (keyBytes === 0 || keyBytes > QKD_KEY_BYTES_MAX) continue;
    for (const unknown of stock.unknown(run)) {
      for (const { first, count } of seen.gaps(unknown)) {
        const before = counterOf(first) - counterOf(run.first);
        fresh.push({ first, count, keyBytes, offsetBytes: offsetBytes + before * keyBytes });
      }
      seen.add(unknown, true);
    }
  }
  return fresh;
}

/** Waits while quarantine or stock is full: back-pressure reaches the module. */
async function roomInStock({ stock, limits, clock, troubles }: LinkParts, signal: AbortSignal): Promise<void> {
  const quarantineIsFull = (): boolean => stock.quarantine.bytes > limits.quarantineBytesMax;
  while ((quarantineIsFull() || stock.isFull(limits.stockBytesMax)) && !signal.aborted) {
    if (quarantineIsFull())
      troubles.lasts("full", QUARANTINE_FULL); // a stock that is full is as it should be
    else troubles.clear("full");
    await clock.sleep(FULL_POLL_MS, signal).catch(() => undefined);
  }
  troubles.clear("full");
}
