/** Each key once to each side: cuts keys from pre-established pools for initiators, looks them up for targets. */
import { QkdError, isQkdError } from "../model/errors.ts";
import { segmentEpoch, segmentName, segmentNumber, type KeyId, type NodeId } from "../model/ids.ts";
import type { KeyMaterial } from "../model/key-material.ts";
import { BITS_PER_BYTE } from "../model/units.ts";
import type { InboundPool, KeyRange } from "../relay/inbound-pool.ts";
import type { AllocatedKey, OutboundPool } from "../relay/outbound-pool.ts";
import type { PoolDirectory } from "../relay/pool-directory.ts";
import type { PoolId } from "../relay/pool-records.ts";
import type { ChunkName } from "../store/key-bag.ts";
import type { Clock } from "../runtime/clock.ts";
import type { DemandListener, MissCause } from "./demand-listener.ts";
import { FailureBrake } from "./failure-brake.ts";
import { createKeyIdCodec, type KeyIdCodec } from "./key-id.ts";
import type { ServedFrom, KeySupply, SaePair, SuppliedKey, SupplyLimits, SupplyStatus } from "./key-supply.ts";
import type { KeyNeed, OnDemand } from "./on-demand.ts";
import type { SaeDirectory } from "./sae-directory.ts";
import { announcePool, type SupplyMetrics } from "./supply-metrics.ts";

const CODECS_MAX = 256;
const RETRY_AFTER_MS = 1_000;
const FAILED_RELAYS_MAX = 3;
/** Told to the SAE. */
const TOO_FEW_ROUTES = "fewer disjoint routes than these keys demand";

export interface SaeSupplyParts {
  readonly self: NodeId;
  readonly directory: SaeDirectory;
  readonly pools: PoolDirectory;
  readonly onDemand: OnDemand;
  readonly demand: DemandListener;
  /** Key on this node's links that a relay for the pool could use as pad now, opened or not. */
  readonly padBytes: (pool: PoolId) => number;
  /** Why no relay for the pool may be tried now. */
  readonly blocked: (pool: PoolId) => string | undefined;
  readonly clock: Clock;
  readonly metrics: SupplyMetrics;
  readonly uuidVersion: 8 | 4;
  readonly storedKeysMax: number;
}

export function createSaeSupply(parts: SaeSupplyParts, limits: SupplyLimits): KeySupply {
  return new SaeSupply(parts, limits);
}

class SaeSupply implements KeySupply {
  readonly limits: SupplyLimits;
  readonly #parts: SaeSupplyParts;
  readonly #brake: FailureBrake;
  readonly #codecs = new Map<string, KeyIdCodec>();

  constructor(parts: SaeSupplyParts, limits: SupplyLimits) {
    this.#parts = parts;
    this.limits = limits;
    this.#brake = new FailureBrake(parts.clock);
    for (const { id } of parts.pools.outbound) announcePool(parts.metrics, id);
  }

  status(pair: SaePair): SupplyStatus {
    const { pool, targetNode } = this.#outboundPool(pair);
    const sizeBytes = this.limits.keySizeDefaultBits / BITS_PER_BYTE;
    const { self, storedKeysMax } = this.#parts;
    const storedKeys = Math.min(storedKeysMax, pool.wholeKeys(sizeBytes));
    return { ...this.limits, sourceNode: self, targetNode, storedKeys, storedKeysMax };
  }

  async encryptionKeys(
    ...[request, deadline]: Parameters<KeySupply["encryptionKeys"]>
  ): Promise<readonly SuppliedKey[]> {
    const { pair, count, sizeBits, served } = request;
    return this.#counted("initiator", async () => {
      this.#check(count, sizeBits);
      const { pool, targetNode } = this.#outboundPool(pair);
      const need = { count, sizeBytes: sizeBits / BITS_PER_BYTE };
      this.#parts.demand.asked(pool.id, need);
      const { keys, source } = await this.#allocate(pool, need, deadline);
      const supplied = await this.#withIds(pool, pair, keys).catch((failure: unknown) => {
        for (const { material } of keys) material.erase(); // cut, so spent
        throw failure;
      });
      this.#parts.metrics.keys.add({ remote: targetNode, role: "initiator" }, count);
      this.#parts.metrics.bits.add({ app: pair.initiator, remote: targetNode, role: "initiator" }, count * sizeBits);
      served?.({ source, keyClass: pool.id.keyClass });
      return supplied;
    });
  }

  async decryptionKeys(
    ...[request, deadline]: Parameters<KeySupply["decryptionKeys"]>
  ): Promise<readonly SuppliedKey[]> {
    const { pair, ids, served } = request;
    return this.#counted("target", async () => {
      this.#checkIds(ids);
      if (!this.#parts.directory.knows(pair.target)) throw notHere(pair.target);
      const { initiatorNode, targetNode } = this.#parts.directory.pair(pair);
      if (targetNode !== this.#parts.self) throw notHere(pair.target);
      await this.#brake.slow(pair.target, deadline);
      try {
        const places = await this.#find(initiatorNode, pair, ids);
        const supplied = await this.#claim(ids, places);
        const bits = supplied.reduce((sum, { material }) => sum + material.lengthBytes * BITS_PER_BYTE, 0);
        this.#parts.metrics.keys.add({ remote: initiatorNode, role: "target" }, ids.length);
        this.#parts.metrics.bits.add({ app: pair.target, remote: initiatorNode, role: "target" }, bits);
        served?.({ source: "pool", keyClass: places[0]!.pool.id.keyClass });
        return supplied;
      } catch (failure) {
        if (isQkdError(failure, "KEY_UNKNOWN", "KEY_FOREIGN")) this.#brake.failed(pair.target);
        throw failure;
      }
    });
  }

  async #counted<Result>(role: "initiator" | "target", run: () => Promise<Result>): Promise<Result> {
    try {
      return await run();
    } catch (failure) {
      if (isQkdError(failure)) this.#parts.metrics.refusals.add({ role, reason: failure.code });
      throw failure;
    }
  }

  #check(count: number, sizeBits: number): void {
    const { keysPerRequestMax, keySizeMinBits, keySizeMaxBits } = this.limits;
    if (!Number.isInteger(count) || count < 1 || count > keysPerRequestMax) {
      throw outOfRange("number", { value: count, min: 1, max: keysPerRequestMax });
    }
    if (!Number.isInteger(sizeBits) || sizeBits < keySizeMinBits || sizeBits > keySizeMaxBits) {
      throw outOfRange("size", { value: sizeBits, min: keySizeMinBits, max: keySizeMaxBits });
    }
    if (sizeBits % BITS_PER_BYTE !== 0) {
      throw new QkdError("REQUEST_INVALID", "size shall be a multiple of 8", { field: "size", value: sizeBits });
    }
  }

  #checkIds(ids: readonly KeyId[]): void {
    const max = this.limits.keysPerRequestMax;
    if (ids.length < 1 || ids.length > max) throw outOfRange("key_IDs", { value: ids.length, min: 1, max });
    if (new Set(ids.map((id) => id.toLowerCase())).size < ids.length) {
      throw new QkdError("REQUEST_INVALID", "a key id is named twice", { field: "key_IDs" });
    }
  }

  #outboundPool(pair: SaePair): { pool: OutboundPool; targetNode: NodeId } {
    const { directory, self, pools } = this.#parts;
    if (!directory.knows(pair.initiator)) throw notHere(pair.initiator);
    const { initiatorNode, targetNode, keyClass } = directory.pair(pair);
    if (initiatorNode !== self) throw notHere(pair.initiator);
    if (targetNode === self) {
      const sentence = "both SAEs live at this node: keys between them are not supplied";
      throw new QkdError("SAE_NOT_ALLOWED", sentence, { initiator: pair.initiator, target: pair.target });
    }
    return { pool: pools.outboundPool(targetNode, keyClass)!, targetNode };
  }

  async #allocate(
    pool: OutboundPool,
    need: KeyNeed,
    deadline: AbortSignal,
  ): Promise<{ readonly keys: readonly AllocatedKey[]; readonly source: ServedFrom["source"] }> {
    const { demand, metrics } = this.#parts;
    const keys = await pool.allocate(need.count, need.sizeBytes);
    if (keys !== undefined) {
      metrics.hits.add({ remote: pool.id.remote, class: pool.id.keyClass });
      demand.hit(pool.id, pool.stockBytes);
      return { keys, source: "pool" };
    }
    const bytes = need.count * need.sizeBytes;
    demand.waiting(pool.id, bytes);
    try {
      return { keys: await this.#allocateOnDemand(pool, need, deadline), source: "on_demand" };
    } finally {
      demand.waiting(pool.id, -bytes);
    }
  }

  async #allocateOnDemand(pool: OutboundPool, need: KeyNeed, deadline: AbortSignal): Promise<readonly AllocatedKey[]> {
    const { count, sizeBytes } = need;
    if (this.#parts.blocked(pool.id) !== undefined) {
      this.#missed(pool, "supply");
      this.#parts.demand.notServed(pool.id);
      throw shortageAt(pool, TOO_FEW_ROUTES);
    }
    const missing = (): KeyNeed => ({ count: Math.max(1, count - pool.wholeKeys(sizeBytes)), sizeBytes });
    const hadPad = this.#parts.padBytes(pool.id) >= missing().count * sizeBytes;
    let cause: MissCause | undefined;
    // when relays fail the SAE should know soon; one that others emptied is no failure
    for (let failures = 0; !deadline.aborted && failures < FAILED_RELAYS_MAX;) {
      const end = await this.#parts.onDemand.bring(pool, missing(), deadline);
      if (cause === undefined) {
        cause = hadPad && end === "brought" ? "latency" : "supply";
        this.#missed(pool, cause);
      }
      if (end === "failed") failures += 1;
      const keys = await pool.allocate(count, sizeBytes);
      if (keys !== undefined) return keys;
    }
    if (cause === undefined) this.#missed(pool, "supply");
    this.#parts.demand.notServed(pool.id);
    throw shortageAt(pool);
  }

  #missed(pool: OutboundPool, cause: MissCause): void {
    this.#parts.metrics.misses.add({ remote: pool.id.remote, class: pool.id.keyClass, cause });
    this.#parts.demand.missed(pool.id, cause);
  }

  async #withIds(pool: OutboundPool, pair: SaePair, keys: readonly AllocatedKey[]): Promise<readonly SuppliedKey[]> {
    const supplied: SuppliedKey[] = [];
    for (let from = 0; from < keys.length;) {
      const epoch = segmentEpoch(keys[from]!.segment);
      let to = from + 1;
      while (to < keys.length && segmentEpoch(keys[to]!.segment) === epoch) to += 1;
      const group = keys.slice(from, to);
      const [name] = pool.idSecretNames(epoch);
      const codec = name === undefined ? undefined : await this.#codec(pool, epoch, name);
      if (codec === undefined) throw new QkdError("KEY_SHORTAGE", "the id secret of these keys is gone", {});
      const places = group.map(({ segment, offsetBytes, material }) => ({
        number: segmentNumber(segment),
        offsetBytes,
        lengthBytes: material.lengthBytes,
      }));
      const ids = codec.make(pair, places);
      for (const [i, { material }] of group.entries()) supplied.push({ id: ids[i]!, material });
      from = to;
    }
    return supplied;
  }

  /** Where each id says that its key is. Nothing is claimed yet. */
  async #find(remote: NodeId, pair: SaePair, ids: readonly KeyId[]): Promise<{ pool: InboundPool; range: KeyRange }[]> {
    const found: { pool: InboundPool; range: KeyRange }[] = [];
    const foreign: KeyId[] = [];
    const unknown: KeyId[] = [];
    for (const id of ids) {
      const place = await this.#resolve(remote, pair, id);
      if (place === "foreign") foreign.push(id);
      else if (place === undefined || !place.pool.claimable(place.range)) unknown.push(id);
      else found.push(place);
    }
    if (foreign.length > 0) {
      throw new QkdError("KEY_FOREIGN", "one or more keys were made for another pair of SAEs", { ids: foreign });
    }
    if (unknown.length > 0)
      throw new QkdError("KEY_UNKNOWN", "no such key, or it was supplied before", { ids: unknown });
    return found;
  }

  async #resolve(
    remote: NodeId,
    pair: SaePair,
    id: KeyId,
  ): Promise<{ pool: InboundPool; range: KeyRange } | "foreign" | undefined> {
    let foreign = false;
    for (const pool of this.#parts.pools.inboundPools(remote)) {
      for (const { epoch, name } of secretsOf(pool)) {
        const read = (await this.#codec(pool, epoch, name))?.read(pair, id);
        if (read?.kind === "foreign") foreign = true;
        if (read?.kind !== "ours") continue;
        const { number, offsetBytes, lengthBytes } = read.place;
        return { pool, range: { segment: segmentName(epoch, number), offsetBytes, lengthBytes } };
      }
    }
    return foreign ? "foreign" : undefined;
  }

  async #claim(
    ids: readonly KeyId[],
    places: readonly { readonly pool: InboundPool; readonly range: KeyRange }[],
  ): Promise<readonly SuppliedKey[]> {
    const materials = new Map<KeyRange, KeyMaterial>();
    for (const pool of new Set(places.map((place) => place.pool))) {
      const ranges = places.filter((place) => place.pool === pool).map(({ range }) => range);
      try {
        for (const [i, material] of (await pool.claim(ranges)).entries()) materials.set(ranges[i]!, material);
      } catch (failure) {
        for (const material of materials.values()) material.erase();
        throw isQkdError(failure, "KEY_UNKNOWN")
          ? new QkdError("KEY_UNKNOWN", failure.message, { ids: [...ids] })
          : failure;
      }
    }
    return places.map(({ range }, i) => ({ id: ids[i]!, material: materials.get(range)! }));
  }

  async #codec(
    pool: OutboundPool | InboundPool,
    epoch: number,
    secretName: ChunkName,
  ): Promise<KeyIdCodec | undefined> {
    const { direction, remote, keyClass } = pool.id;
    const name = `${direction}/${remote}/${keyClass}/${epoch}/${secretName}`;
    const cached = this.#codecs.get(name);
    if (cached !== undefined) return cached;
    using secret = await pool.idSecret(epoch, secretName);
    if (secret === undefined) return undefined;
    if (this.#codecs.size >= CODECS_MAX) this.#codecs.clear();
    const codec = createKeyIdCodec(secret, keyClass, this.#parts.uuidVersion);
    this.#codecs.set(name, codec);
    return codec;
  }
}

/** The newest epoch first. */
function* secretsOf(pool: InboundPool): Generator<{ readonly epoch: number; readonly name: ChunkName }> {
  for (const epoch of pool.epochs()) for (const name of pool.idSecretNames(epoch)) yield { epoch, name };
}

function shortageAt({ id }: OutboundPool, reason?: string): QkdError {
  const facts = { retryAfterMs: RETRY_AFTER_MS, ...(reason === undefined ? {} : { reason }) };
  return new QkdError("KEY_SHORTAGE", `too little key is shared with ${id.remote} now`, facts);
}

function outOfRange(field: string, range: { value: number; min: number; max: number }): QkdError {
  return new QkdError("REQUEST_INVALID", `${field} is out of range: ${range.min} to ${range.max}`, { field, ...range });
}

const notHere = (saeId: string): QkdError =>
  new QkdError("SAE_NOT_ALLOWED", "the calling SAE does not live at this node", { saeId });
