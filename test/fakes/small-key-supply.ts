/** A key supply in memory that keeps the promises of its port: each key once to each side, all or none. */
import { randomFillSync, randomUUID } from "node:crypto";

import { QkdError } from "../../src/model/errors.ts";
import type { KeyId, NodeId, SaeId } from "../../src/model/ids.ts";
import { KeyMaterial } from "../../src/model/key-material.ts";
import { BITS_PER_BYTE } from "../../src/model/units.ts";
import type { KeySupply, SaePair, SuppliedKey, SupplyLimits } from "../../src/supply/key-supply.ts";

export const SMALL_LIMITS: SupplyLimits = {
  keySizeDefaultBits: 256,
  keySizeMinBits: 64,
  keySizeMaxBits: 4096,
  keysPerRequestMax: 128,
};

interface WaitingKey {
  readonly pair: SaePair;
  readonly material: KeyMaterial;
}

export interface SmallKeySupply extends KeySupply {
  /** Keys that the initiator has and the target has not fetched yet. */
  readonly waiting: number;
  /** The next call throws this instead. */
  failNext(failure: unknown): void;
  /** Every material that was ever given out, to see whether it was erased. */
  readonly given: readonly KeyMaterial[];
}

/**
 * @param options.places  where each SAE lives
 * @param options.friends pairs that may share keys, as "a b", in either order
 */
export function createSmallKeySupply(options: {
  readonly places: Readonly<Record<string, string>>;
  readonly friends: readonly string[];
  readonly stockBytes: number;
}): SmallKeySupply {
  return new MemoryKeySupply(options);
}

class MemoryKeySupply implements SmallKeySupply {
  readonly limits = SMALL_LIMITS;
  readonly given: KeyMaterial[] = [];
  readonly #places: Readonly<Record<string, string>>;
  readonly #friends: readonly string[];
  readonly #waiting = new Map<KeyId, WaitingKey>();
  #stockBytes: number;
  #failure: { readonly reason: unknown } | undefined;

  constructor(options: Parameters<typeof createSmallKeySupply>[0]) {
    this.#places = options.places;
    this.#friends = options.friends;
    this.#stockBytes = options.stockBytes;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  failNext(failure: unknown): void {
    this.#failure = { reason: failure };
  }

  status(pair: SaePair) {
    this.#check(pair, pair.target);
    return {
      ...this.limits,
      sourceNode: this.#places[pair.initiator] as NodeId,
      targetNode: this.#places[pair.target] as NodeId,
      storedKeys: Math.floor((this.#stockBytes * BITS_PER_BYTE) / this.limits.keySizeDefaultBits),
      storedKeysMax: 100_000,
    };
  }

  async encryptionKeys(
    { pair, count, sizeBits }: { readonly pair: SaePair; readonly count: number; readonly sizeBits: number },
    _deadline: AbortSignal,
  ): Promise<readonly SuppliedKey[]> {
    this.#check(pair, pair.target);
    const lengthBytes = sizeBits / BITS_PER_BYTE;
    if (count * lengthBytes > this.#stockBytes) {
      throw new QkdError("KEY_SHORTAGE", "the pool is too short", { retryAfterMs: 1500 });
    }
    this.#stockBytes -= count * lengthBytes;
    return Array.from({ length: count }, () => {
      const material = KeyMaterial.allocate(lengthBytes);
      material.expose((bytes) => randomFillSync(bytes));
      const id = randomUUID() as KeyId;
      this.#waiting.set(id, { pair, material: material.slice(0, lengthBytes) });
      this.given.push(material);
      return { id, material };
    });
  }

  async decryptionKeys(
    { pair, ids }: { readonly pair: SaePair; readonly ids: readonly KeyId[] },
    _deadline: AbortSignal,
  ): Promise<readonly SuppliedKey[]> {
    this.#check(pair, pair.initiator);
    const foreign = ids.filter((id) => {
      const waiting = this.#waiting.get(id);
      return waiting && !(waiting.pair.initiator === pair.initiator && waiting.pair.target === pair.target);
    });
    if (foreign.length > 0) throw new QkdError("KEY_FOREIGN", "made for another pair", { ids: foreign });
    const unknown = ids.filter((id) => !this.#waiting.has(id));
    if (unknown.length > 0) throw new QkdError("KEY_UNKNOWN", "no such key", { ids: unknown });
    return ids.map((id) => {
      const { material } = this.#waiting.get(id)!;
      this.#waiting.delete(id);
      this.given.push(material);
      return { id, material };
    });
  }

  #check(pair: SaePair, other: SaeId): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure.reason;
    if (this.#places[other] === undefined) throw new QkdError("SAE_UNKNOWN", "not in the directory", {});
    const { initiator, target } = pair;
    if (
      !this.#friends.some((friends) => friends === `${initiator} ${target}` || friends === `${target} ${initiator}`)
    ) {
      throw new QkdError("SAE_NOT_ALLOWED", "the pair may not share keys", {});
    }
  }
}
