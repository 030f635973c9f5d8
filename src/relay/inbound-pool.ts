/**
 * The target's end of an end-to-end pool: it holds what the initiator relayed and looks up ranges, each once, ever.
 *
 * A claim is made in memory first, so that two requests at once cannot have the same range; then it is durable; then the
 * bytes are given. A crash in between loses the key, and never gives it twice.
 */
import { QkdError } from "../model/errors.ts";
import type { SegmentName } from "../model/ids.ts";
import { KeyMaterial } from "../model/key-material.ts";
import { RangeSet } from "../model/range-set.ts";
import { lookupIn, segmentRunsOf, type SegmentRun } from "../model/segment-runs.ts";
import { MINUTE_MS } from "../model/units.ts";
import type { Clock, MonotonicMs } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import type { ChunkName } from "../store/key-bag.ts";
import type { PlannedSegment } from "./relay-frame.ts";
import type { PoolId, PoolSegmentRecord, Provenance } from "./pool-records.ts";
import { PoolSegments, type PoolParts } from "./pool-segments.ts";

/** The target keeps segments this long after expiry: the initiator's wall clock may be behind. */
const EXPIRY_SKEW_MS = MINUTE_MS;
const CACHED_SEGMENTS_MAX = 16;
/** What initiators may make this node keep, in number. */
const POOL_SEGMENTS_MAX = 16_384;

/** Founding relays of one epoch: an honest origin needs another only where a proof was lost (docs/adr/0029). */
const ID_SECRETS_MAX = 8;

export interface KeyRange {
  readonly segment: SegmentName;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

export class InboundPool {
  readonly id: PoolId;
  readonly #segments: PoolSegments;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #used = new Map<SegmentName, RangeSet>();
  /** Decrypted, what is used is zeroed: most lookups come in the order of allocation. */
  readonly #cache = new Map<SegmentName, KeyMaterial>();
  /** Of which more was supplied than is zeroed on the disk. */
  readonly #toSealAnew = new Set<SegmentName>();
  /** Since when the initiator no longer names a segment as live. */
  readonly #notLiveSince = new Map<SegmentName, MonotonicMs>();

  private constructor(segments: PoolSegments, clock: Clock, log: Logger) {
    this.id = segments.id;
    this.#segments = segments;
    this.#clock = clock;
    this.#log = log;
    for (const [name, record] of segments.entries()) {
      this.#used.set(name, RangeSet.fromPairs(record.used));
      if (record.used.length > 0) this.#toSealAnew.add(name);
    }
  }

  static async open(id: PoolId, parts: PoolParts): Promise<InboundPool> {
    const segments = new PoolSegments(id, parts.vault, parts.split);
    await segments.recover();
    return new InboundPool(segments, parts.clock, parts.log.child({ remote: id.remote, keyClass: id.keyClass }));
  }

  get ledger(): string {
    return this.#segments.ledger;
  }

  /** Not yet supplied, in bytes. */
  get stockBytes(): number {
    return this.#segments.vault.ledger.balances(this.ledger).stock;
  }

  /** What came by fewer routes than the pool's policy wants. */
  get degradedBytes(): number {
    return this.#segments.degradedBytes;
  }

  epochs(): readonly number[] {
    return this.#segments.epochs();
  }

  /** Names the id secrets of an epoch: an id of it was made with one of them. */
  idSecretNames(epoch: number): readonly ChunkName[] {
    return this.#segments.secretNames(epoch);
  }

  /** The caller owns it. */
  idSecret(epoch: number, name: ChunkName): Promise<KeyMaterial | undefined> {
    return this.#segments.readSecret(epoch, name);
  }

  /** False for an epoch that has as many id secrets as are kept. */
  takesSecretOf(epoch: number): boolean {
    return this.#segments.secretNames(epoch).length < ID_SECRETS_MAX;
  }

  holdings(): SegmentRun[] {
    return segmentRunsOf(this.#segments.names());
  }

  /** A neighbour cannot fill our disk. */
  isFull(bytesMax: number): boolean {
    return this.stockBytes > bytesMax || this.#segments.count >= POOL_SEGMENTS_MAX;
  }

  has(name: SegmentName): boolean {
    return this.#segments.get(name) !== undefined;
  }

  /** Stores what a relay brought. Durable when it resolves: only then may the proof be sent. */
  async add(arrived: {
    readonly segments: readonly (PlannedSegment & { readonly bytes: Uint8Array })[];
    readonly idSecret: Uint8Array | undefined;
    readonly proofKeyBytes: number;
    readonly provenance: Provenance;
  }): Promise<void> {
    const { vault, ledger } = this.#segments;
    const transaction = vault.transaction();
    const { idSecret } = arrived;
    if (idSecret !== undefined) this.#segments.addSecret(transaction, arrived.segments[0]!.name, idSecret);
    for (const { name, bytes, expiresAt } of arrived.segments) {
      this.#segments.add(transaction, name, bytes, { expiresAt, provenance: arrived.provenance });
      this.#used.set(name, new RangeSet());
    }
    const proofBytes = arrived.proofKeyBytes + (arrived.idSecret?.length ?? 0);
    transaction.move({ owner: ledger, from: "received", to: "proofs", bytes: proofBytes });
    await vault.commit(transaction);
  }

  /** Whether a range could be claimed: its segment is held, not expired, and no byte of it was supplied. */
  claimable({ segment, offsetBytes, lengthBytes }: KeyRange): boolean {
    const record = this.#segments.get(segment);
    if (record === undefined || this.#clock.wall() > record.expiresAt + EXPIRY_SKEW_MS) return false;
    const to = offsetBytes + lengthBytes;
    return lengthBytes > 0 && to <= record.lengthBytes && !this.#used.get(segment)!.intersects(offsetBytes, to);
  }

  /**
   * Takes ranges out: all or none. The claim is durable when it resolves.
   *
   * @returns the bytes, in the order of the ranges; the caller owns them
   * @throws QkdError KEY_UNKNOWN   a range that is not claimable, or two that overlap; nothing was claimed
   * @throws QkdError STORE_DAMAGED a segment cannot be read back: it is burned
   */
  async claim(ranges: readonly KeyRange[]): Promise<readonly KeyMaterial[]> {
    const wanted = new Set(ranges.map(({ segment }) => segment));
    // another request may put out what was loaded first while the rest is read: then once more
    do for (const name of wanted) await this.#load(name);
    while ([...wanted].some((name) => this.has(name) && !this.#cache.has(name)));
    this.#claimInMemory(ranges); // from here to the copies below no other request can come between
    const keys = ranges.map((range) => this.#copyOut(range));
    const transaction = this.#segments.vault.transaction();
    for (const name of wanted) {
      const { lengthBytes } = this.#segments.get(name)!;
      const taken = ranges.filter(({ segment }) => segment === name);
      const used = this.#used.get(name)!;
      const added = taken.flatMap((range) => [range.offsetBytes, range.offsetBytes + range.lengthBytes]);
      this.#segments.noteUsed(transaction, name, used.toPairs(), added);
      const bytes = taken.reduce((sum, range) => sum + range.lengthBytes, 0);
      transaction.move({ owner: this.ledger, from: "stock", to: "supplied", bytes });
      this.#toSealAnew.add(name);
      if (used.bytes === lengthBytes) {
        this.#segments.destroy(transaction, name, "tails");
        this.#forget(name);
      }
    }
    this.#trimCache();
    try {
      await this.#segments.vault.commit(transaction); // the point of no return
    } catch (failure) {
      for (const key of keys) key.erase();
      throw failure;
    }
    return keys;
  }

  /** What the initiator may still allocate from; everything else is erased after a grace period. */
  told(live: readonly SegmentRun[]): void {
    const now = this.#clock.monotonic();
    const isLive = lookupIn(live);
    for (const name of this.#segments.names()) {
      if (isLive(name)) this.#notLiveSince.delete(name);
      else if (!this.#notLiveSince.has(name)) this.#notLiveSince.set(name, now);
    }
  }

  async burnStock(): Promise<void> {
    await this.#destroyWhere(() => "burned");
  }

  /** Ends what has expired, and what the initiator gave up longer than `graceMs` ago. */
  async sweep(graceMs: number): Promise<void> {
    const wall = this.#clock.wall();
    const now = this.#clock.monotonic();
    await this.#destroyWhere((name, record) => {
      if (wall > record.expiresAt + EXPIRY_SKEW_MS) return "expired";
      const since = this.#notLiveSince.get(name);
      return since !== undefined && now - since > graceMs ? "burned" : undefined;
    });
  }

  /**
   * Seals segments anew of which something was supplied, with that zeroed: the data keys of what was supplied are
   * destroyed. Durable when it resolves.
   */
  async sealUsedAnew(): Promise<void> {
    const { vault } = this.#segments;
    for (const name of [...this.#toSealAnew]) {
      const material = await this.#read(name);
      const transaction = vault.transaction();
      if (material === undefined) continue;
      if (!this.#toSealAnew.delete(name)) {
        material.erase(); // used up meanwhile
        continue;
      }
      const used = this.#used.get(name)!;
      material.expose((bytes) => {
        used.forEach((from, to) => bytes.fill(0, from, to));
        this.#segments.sealAnew(transaction, name, bytes, used.toPairs());
      });
      material.erase();
      await vault.commit(transaction);
    }
  }

  close(): void {
    for (const material of this.#cache.values()) material.erase();
    this.#cache.clear();
  }

  async #destroyWhere(
    fate: (name: SegmentName, record: PoolSegmentRecord) => "expired" | "burned" | undefined,
  ): Promise<void> {
    const transaction = this.#segments.vault.transaction();
    for (const [name, record] of this.#segments.entries()) {
      const to = fate(name, record);
      if (to === undefined) continue;
      this.#segments.destroy(transaction, name, to);
      this.#forget(name);
    }
    const newest = this.epochs()[0];
    this.#segments.dropDeadSecrets(transaction, new Set(newest === undefined ? [] : [newest]));
    if (transaction.operations.length > 0) await this.#segments.vault.commit(transaction);
  }

  /** Reads a segment into the cache. */
  async #load(name: SegmentName): Promise<void> {
    if (this.#cache.has(name)) return;
    const material = await this.#read(name);
    if (material === undefined) return;
    if (this.#cache.has(name) || !this.has(name)) return material.erase();
    // what was supplied before stays unreadable in memory too
    this.#used.get(name)!.forEach((from, to) => material.expose((bytes) => bytes.fill(0, from, to)));
    this.#cache.set(name, material);
  }

  /** A segment as it is on the disk; undefined where it is not held any more. One that the disk lost is burned. */
  async #read(name: SegmentName): Promise<KeyMaterial | undefined> {
    for (;;) {
      const record = this.#segments.get(name);
      if (record === undefined) return undefined;
      const material = await this.#segments.read(record);
      const held = this.#segments.get(name);
      if (material !== undefined && held !== undefined) return material;
      material?.erase();
      if (held !== undefined && held.chunk !== record.chunk) continue; // sealed anew meanwhile
      if (held === undefined) return undefined;
      this.#log.error("a segment could not be read back from the store: burned", { segment: name });
      await this.#destroyWhere((other) => (other === name ? "burned" : undefined));
    }
  }

  #trimCache(): void {
    for (const [name, material] of this.#cache) {
      if (this.#cache.size <= CACHED_SEGMENTS_MAX) return;
      material.erase();
      this.#cache.delete(name);
    }
  }

  #claimInMemory(ranges: readonly KeyRange[]): void {
    const possible = ranges.every((range) => this.claimable(range) && this.#cache.has(range.segment));
    if (!possible || overlapAmong(ranges)) throw unknownKey();
    for (const { segment, offsetBytes, lengthBytes } of ranges) {
      this.#used.get(segment)!.add(offsetBytes, offsetBytes + lengthBytes);
    }
  }

  #copyOut({ segment, offsetBytes, lengthBytes }: KeyRange): KeyMaterial {
    return this.#cache.get(segment)!.expose((bytes) => {
      const part = bytes.subarray(offsetBytes, offsetBytes + lengthBytes);
      return KeyMaterial.moveFrom(part);
    });
  }

  #forget(name: SegmentName): void {
    this.#cache.get(name)?.erase();
    this.#cache.delete(name);
    this.#used.delete(name);
    this.#toSealAnew.delete(name);
    this.#notLiveSince.delete(name);
  }
}

const unknownKey = (): QkdError => new QkdError("KEY_UNKNOWN", "no such key, or it was supplied before", {});

function overlapAmong(ranges: readonly KeyRange[]): boolean {
  const sorted = [...ranges].sort((one, other) =>
    one.segment === other.segment ? one.offsetBytes - other.offsetBytes : one.segment < other.segment ? -1 : 1,
  );
  return sorted.some((range, i) => {
    const before = sorted[i - 1];
    return before?.segment === range.segment && before.offsetBytes + before.lengthBytes > range.offsetBytes;
  });
}
