/** Opens the QKD module of a link, takes its keys into quarantine, and opens it again with back-off when it is lost. */
import { BrokenInvariant } from "../model/assert.ts";
import { isQkdError, QkdError, sentenceOf } from "../model/errors.ts";
import type { QkdKeyId } from "../model/ids.ts";
import {
  QKD_KEY_BYTES_MAX,
  type DriverHost,
  type QkdDriver,
  type QkdKey,
  type QkdModule,
} from "../driver/qkd-driver.ts";
import type { Scope } from "../runtime/scope.ts";
import type { LinkParts } from "./link-parts.ts";
import type { ChunkRecord } from "./link-records.ts";

const BACKOFF_MIN_MS = 250;
const BACKOFF_MAX_MS = 10_000;
/** Keys this short share a chunk; longer ones have one each, so that no manifest cuts it. */
const SHARED_CHUNK_KEY_BYTES = 1024;
const CHUNK_BYTES_MAX = 65_536;
const FULL_POLL_MS = 100;

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
    for await (const keys of module.keySource.keys(last === "" ? undefined : last, scope.signal)) {
      await storeKeys(parts, keys);
      await roomInStock(link, scope.signal); // the module is told that the keys are stored only after this
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
async function storeKeys(parts: ModuleIntakeParts, keys: readonly QkdKey[]): Promise<void> {
  const { stock, clock, log } = parts.link;
  try {
    const fresh = freshKeys(parts.link, keys);
    const transaction = stock.vault.transaction();
    const receivedAt = clock.wall();
    const chunks = chunked(fresh).map((group) => stock.sealKeys(transaction, group, receivedAt));
    const last = keys.at(-1);
    if (last !== undefined) stock.setState(transaction, { lastModuleKey: last.id });
    await stock.vault.commit(transaction);
    if (fresh.length < keys.length) log.warn("keys refused", { keys: keys.length - fresh.length });
    if (chunks.length > 0) parts.onStored(chunks);
  } finally {
    for (const { material } of keys) material.erase();
  }
}

/** Keys of a length that a segment can hold, and whose ids are on no other key that is still around. */
function freshKeys({ stock }: LinkParts, keys: readonly QkdKey[]): QkdKey[] {
  const seen = new Set<QkdKeyId>(stock.proposedIds());
  return keys.filter(({ id, material: { lengthBytes } }) => {
    if (lengthBytes === 0 || lengthBytes > QKD_KEY_BYTES_MAX) return false;
    if (seen.has(id) || stock.quarantine.get(id) !== undefined) return false;
    seen.add(id);
    return true;
  });
}

function chunked(keys: readonly QkdKey[]): QkdKey[][] {
  const groups: QkdKey[][] = [];
  let bytes = 0;
  for (const key of keys) {
    const length = key.material.lengthBytes;
    const group = groups.at(-1);
    const shares = length < SHARED_CHUNK_KEY_BYTES && bytes + length <= CHUNK_BYTES_MAX;
    if (group !== undefined && shares && group[0]!.material.lengthBytes < SHARED_CHUNK_KEY_BYTES) group.push(key);
    else {
      groups.push([key]);
      bytes = 0;
    }
    bytes += length;
  }
  return groups;
}

/** Waits while quarantine or stock is full: back-pressure reaches the module. */
async function roomInStock({ stock, limits, clock, troubles }: LinkParts, signal: AbortSignal): Promise<void> {
  const full = (): boolean =>
    stock.quarantine.bytes > limits.quarantineBytesMax ||
    stock.heldBytes("leader") + stock.heldBytes("follower") > limits.stockBytesMax;
  while (full() && !signal.aborted) {
    troubles.lasts("full", "quarantine or stock is full: the module waits");
    await clock.sleep(FULL_POLL_MS, signal).catch(() => undefined);
  }
  troubles.clear("full");
}
