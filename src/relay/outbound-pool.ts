/**
 * The initiator's end of an end-to-end pool: it alone allocates, strictly forward, without asking anyone.
 *
 * A segment is opened once and never resumed: read, durably gone from the disk with its data key, and only then cut into
 * keys, in memory. What a crash leaves of an open segment is lost, never given again. A rest that is too short for one key
 * stays open for shorter ones, so that keys of many sizes waste little of a small pool.
 */
import { segmentEpoch, segmentName, type Incarnation, type SegmentName } from "../model/ids.ts";
import type { KeyMaterial } from "../model/key-material.ts";
import { MINUTE_MS } from "../model/units.ts";
import { lookupIn, segmentRunsOf, type SegmentRun } from "../model/segment-runs.ts";
import type { Clock, MonotonicMs } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import type { ChunkName } from "../store/key-bag.ts";
import type { Transaction } from "../store/transaction.ts";
import type { PlannedSegment } from "./relay-frame.ts";
import type { PoolId, PoolSegmentRecord, Provenance } from "./pool-records.ts";
import { PoolSegments, type PoolParts } from "./pool-segments.ts";

/** The initiator stops this long before expiry: guard, and skew of two wall clocks. */
const EXPIRY_GUARD_MS = MINUTE_MS;

/** A rest too short for one key may serve shorter ones: so many segments stay open, then the shortest rest is a tail. */
const OPEN_SEGMENTS_MAX = 8;

/**
 * Opening waits twice for the disk, and all requests wait with it. So the next segment is opened while the present one
 * still lasts this long, at the pace of its use so far; where keys are asked for now and then, only when one is needed.
 */
const OPEN_AHEAD_MS = 100;
/** One request at once is no pace. */
const PACE_MS_MIN = 250;

/** A key as cut: where it lies in the pool, and its bytes, which the caller owns. */
export interface AllocatedKey {
  readonly segment: SegmentName;
  readonly offsetBytes: number;
  readonly material: KeyMaterial;
}

interface OpenSegment {
  readonly name: SegmentName;
  readonly material: KeyMaterial;
  readonly lengthBytes: number;
  readonly openedAt: MonotonicMs;
  cursor: number;
}

export class OutboundPool {
  readonly id: PoolId;
  readonly #segments: PoolSegments;
  readonly #clock: Clock;
  readonly #log: Logger;
  /** In which life of the target each segment was proven; those of earlier lives of ours are not listed. */
  readonly #provenIn = new Map<SegmentName, Incarnation>();
  /** In the order of opening. */
  readonly #open: OpenSegment[] = [];
  /** In which life of the target it took our present id secret. */
  #secretProvenIn: Incarnation | undefined;
  #number = 0;
  #allocating: Promise<unknown> = Promise.resolve();
  /** The segment that is being opened just now; undefined again when it is burned meanwhile. */
  #opening: SegmentName | undefined;
  /** While a segment is opened ahead of need; for ever when that failed. */
  #ahead: Promise<void> | undefined;

  private constructor(segments: PoolSegments, clock: Clock, log: Logger) {
    this.id = segments.id;
    this.#segments = segments;
    this.#clock = clock;
    this.#log = log;
  }

  static async open(id: PoolId, parts: PoolParts): Promise<OutboundPool> {
    const segments = new PoolSegments(id, parts.vault, parts.split);
    await segments.recover();
    return new OutboundPool(segments, parts.clock, parts.log.child({ remote: id.remote, keyClass: id.keyClass }));
  }

  get ledger(): string {
    return this.#segments.ledger;
  }

  /** What can be allocated from, in bytes: unopened and open. */
  get stockBytes(): number {
    return this.#segments.stockBytes + this.#open.reduce((sum, open) => sum + restOf(open), 0);
  }

  /** As much of the stock as lies in pieces that hold a key of `keyBytes`: what is shorter never serves one. */
  stockBytesFor(keyBytes: number): number {
    const open = this.#open.filter((piece) => restOf(piece) >= keyBytes);
    return this.#segments.bytesFor(keyBytes) + open.reduce((sum, piece) => sum + restOf(piece), 0);
  }

  /** Of the unopened stock, what came by fewer routes than the pool's policy wants. */
  get degradedBytes(): number {
    return this.#segments.degradedBytes;
  }

  /**
   * Whole keys of `sizeBytes` that could be allocated now. A key does not span segments.
   *
   * @param enough  is not counted beyond: a request does not look at each segment of a large pool
   */
  wholeKeys(sizeBytes: number, enough = Infinity): number {
    let keys = this.#open.reduce((sum, open) => sum + Math.floor(restOf(open) / sizeBytes), 0);
    if (keys >= enough) return keys;
    const now = this.#clock.wall();
    for (const { lengthBytes, expiresAt } of this.#segments.records()) {
      if (now <= expiresAt - EXPIRY_GUARD_MS) keys += Math.floor(lengthBytes / sizeBytes);
      if (keys >= enough) return keys;
    }
    return keys;
  }

  /** Names for segments to be relayed. A name serves one attempt and is never used again. */
  nextNames(count: number): SegmentName[] {
    return Array.from({ length: count }, () => segmentName(this.#segments.vault.epoch, ++this.#number));
  }

  get hasIdSecret(): boolean {
    return this.#segments.hasSecret(this.#segments.vault.epoch);
  }

  /** Names the present id secret of an epoch: another secret has another name. None where there is none. */
  idSecretNames(epoch: number): readonly ChunkName[] {
    return this.#segments.secretNames(epoch);
  }

  /** The caller owns it. */
  idSecret(epoch: number, name: ChunkName): Promise<KeyMaterial | undefined> {
    return this.#segments.readSecret(epoch, name);
  }

  /** Everything that may still be allocated from. */
  liveRuns(): SegmentRun[] {
    const opening = this.#opening === undefined ? [] : [this.#opening];
    return segmentRunsOf([...this.#segments.names(), ...this.#open.map(({ name }) => name), ...opening].sort());
  }

  /** Takes in what the destination has proven to hold. Durable when it resolves. */
  async add(established: {
    readonly segments: readonly (PlannedSegment & { readonly bytes: Uint8Array })[];
    readonly idSecret: Uint8Array | undefined;
    readonly proofKeyBytes: number;
    readonly provenance: Provenance;
    readonly targetIncarnation: Incarnation;
  }): Promise<void> {
    const { vault, ledger } = this.#segments;
    const transaction = vault.transaction();
    if (established.idSecret !== undefined) {
      const { name } = established.segments[0]!;
      this.#segments.dropSecrets(transaction, segmentEpoch(name));
      this.#segments.addSecret(transaction, name, established.idSecret);
      this.#secretProvenIn = established.targetIncarnation;
    }
    for (const { name, bytes, expiresAt } of established.segments) {
      this.#segments.add(transaction, name, bytes, { expiresAt, provenance: established.provenance });
      this.#provenIn.set(name, established.targetIncarnation);
    }
    const proofBytes = established.proofKeyBytes + (established.idSecret?.length ?? 0);
    transaction.move({ owner: ledger, from: "received", to: "proofs", bytes: proofBytes });
    await vault.commit(transaction);
  }

  /**
   * Cuts `count` keys. All or none; touches memory alone unless a segment has to be opened.
   *
   * @returns undefined when the stock is too short; then nothing is spent
   */
  allocate(count: number, sizeBytes: number): Promise<readonly AllocatedKey[] | undefined> {
    const turn = this.#allocating.then(() => this.#allocate(count, sizeBytes));
    this.#allocating = turn.catch(() => undefined);
    return turn;
  }

  /** The target's process started anew and holds only these: whatever else was proven in earlier lives is gone there. */
  async targetHolds(holdings: readonly SegmentRun[], targetIncarnation: Incarnation): Promise<void> {
    const held = lookupIn(holdings);
    const lost = (name: SegmentName): boolean => this.#provenIn.get(name) !== targetIncarnation && !held(name);
    const transaction = this.#segments.vault.transaction();
    const gone = this.#segments.names().filter(lost);
    for (const name of gone) this.#segments.destroy(transaction, name, "burned");
    for (const open of this.#open.filter(({ name }) => lost(name))) this.#close(open, "burned");
    if (this.#opening !== undefined && lost(this.#opening)) this.#opening = undefined;
    const forgotten = this.#forgetSecretUnless(transaction, holdings, targetIncarnation);
    if (gone.length === 0 && !forgotten) return;
    this.#log.warn("the target lost segments: burned here", { segments: gone.length, idSecretToo: forgotten });
    await this.#segments.vault.commit(transaction);
  }

  /** Burns everything, the open segment too: after a rollback of our disk was proven. */
  async burnStock(): Promise<void> {
    const transaction = this.#segments.vault.transaction();
    for (const name of this.#segments.names()) this.#segments.destroy(transaction, name, "burned");
    this.#opening = undefined;
    // what is open was read from a disk that may have given these keys before
    for (const open of [...this.#open]) this.#close(open, "burned");
    await this.#segments.vault.commit(transaction);
  }

  /** Ends what has expired, and id secrets that nothing needs. */
  async sweep(): Promise<void> {
    const transaction = this.#segments.vault.transaction();
    const now = this.#clock.wall();
    for (const [name, record] of this.#segments.entries()) {
      if (now > record.expiresAt - EXPIRY_GUARD_MS) this.#segments.destroy(transaction, name, "expired");
    }
    for (const name of this.#provenIn.keys()) {
      if (this.#segments.get(name) === undefined && !this.#isOpen(name)) this.#provenIn.delete(name);
    }
    this.#dropSecrets(transaction);
    if (transaction.operations.length > 0) await this.#segments.vault.commit(transaction);
  }

  close(): void {
    for (const { material } of this.#open.splice(0)) material.erase();
  }

  async #allocate(count: number, sizeBytes: number): Promise<readonly AllocatedKey[] | undefined> {
    const isShort = (): boolean => this.wholeKeys(sizeBytes, count) < count;
    if (isShort()) await this.#ahead; // what is being opened was not counted
    if (isShort()) return undefined;
    const keys: AllocatedKey[] = [];
    while (keys.length < count) {
      const open = this.#openFor(sizeBytes) ?? (await this.#openNextFor(sizeBytes));
      if (open === undefined) {
        for (const { material } of keys) material.erase(); // cut, so spent: lost rather than given again
        this.#book("burned", keys.length * sizeBytes);
        return undefined;
      }
      for (; keys.length < count && restOf(open) >= sizeBytes; open.cursor += sizeBytes) {
        keys.push(cut(open, sizeBytes));
      }
      if (restOf(open) === 0) this.#close(open, "tails");
      else if (isEndingSoon(open, this.#clock.monotonic())) this.#openAhead(open, sizeBytes);
    }
    this.#book("supplied", count * sizeBytes);
    return keys;
  }

  #openFor(sizeBytes: number, except?: OpenSegment): OpenSegment | undefined {
    return this.#open.find((open) => open !== except && restOf(open) >= sizeBytes);
  }

  async #openNextFor(sizeBytes: number): Promise<OpenSegment | undefined> {
    await this.#ahead;
    return this.#openFor(sizeBytes) ?? this.#openNext(sizeBytes);
  }

  /** Never one too many: that would close a rest, and it may be the one in use. */
  #openAhead(present: OpenSegment, sizeBytes: number): void {
    if (this.#ahead !== undefined || this.#open.length >= OPEN_SEGMENTS_MAX) return;
    if (this.#openFor(sizeBytes, present) !== undefined) return;
    this.#ahead = this.#openNext(sizeBytes).then(() => {
      this.#ahead = undefined;
    });
    this.#ahead.catch(() => undefined); // the next request that needs it meets the failure
  }

  /** Opens the oldest segment that holds a key of this size; shorter ones stay for shorter keys. */
  async #openNext(sizeBytes: number): Promise<OpenSegment | undefined> {
    const holding = (): readonly [SegmentName, PoolSegmentRecord] | undefined =>
      this.#segments.first(({ lengthBytes }) => lengthBytes >= sizeBytes);
    for (let next = holding(); next !== undefined; next = holding()) {
      const [name, record] = next;
      const material = await this.#segments.read(record);
      if (this.#segments.get(name) === undefined) {
        material?.erase(); // withdrawn while it was read
        continue;
      }
      const transaction = this.#segments.vault.transaction();
      const expired = this.#clock.wall() > record.expiresAt - EXPIRY_GUARD_MS;
      const usable = material !== undefined && !expired;
      this.#segments.destroy(transaction, name, usable ? "open" : expired ? "expired" : "burned");
      this.#opening = name;
      await this.#segments.vault.commit(transaction); // gone from the disk before the first key is cut
      const burned = this.#opening !== name;
      this.#opening = undefined;
      if (usable) {
        const openedAt = this.#clock.monotonic();
        const open = { name, material, lengthBytes: record.lengthBytes, openedAt, cursor: 0 };
        this.#open.push(open);
        if (!burned) {
          this.#closeShortest();
          return open;
        }
        this.#close(open, "burned");
        continue;
      }
      material?.erase();
      this.#log.warn("a segment was not used", { segment: name, reason: expired ? "expired" : "unreadable" });
    }
    return undefined;
  }

  /** A target that holds nothing of this epoch, and began anew since it took the id secret, may have lost that as well. */
  #forgetSecretUnless(transaction: Transaction, holdings: readonly SegmentRun[], target: Incarnation): boolean {
    const { epoch } = this.#segments.vault;
    const known = this.#secretProvenIn === target || holdings.some(({ first }) => segmentEpoch(first) === epoch);
    if (known || !this.hasIdSecret) return false;
    this.#segments.dropSecrets(transaction, epoch);
    return true;
  }

  #isOpen(name: SegmentName): boolean {
    return this.#open.some((open) => open.name === name);
  }

  /** Where one too many is open. The newest is not looked at: it was opened for a key. */
  #closeShortest(): void {
    if (this.#open.length <= OPEN_SEGMENTS_MAX) return;
    const older = this.#open.slice(0, -1);
    this.#close(
      older.reduce((shortest, open) => (restOf(open) < restOf(shortest) ? open : shortest)),
      "tails",
    );
  }

  #close(open: OpenSegment, to: "tails" | "burned"): void {
    this.#open.splice(this.#open.indexOf(open), 1);
    open.material.erase();
    this.#book(to, restOf(open));
  }

  #book(to: "supplied" | "tails" | "burned", bytes: number): void {
    this.#segments.vault.ledger.move({ owner: this.ledger, from: "open", to, bytes });
  }

  #dropSecrets(transaction: Transaction): void {
    const keep = new Set([this.#segments.vault.epoch]);
    for (const { name } of this.#open) keep.add(segmentEpoch(name));
    this.#segments.dropDeadSecrets(transaction, keep);
  }
}

const restOf = (open: OpenSegment): number => open.lengthBytes - open.cursor;

function isEndingSoon(open: OpenSegment, now: MonotonicMs): boolean {
  const bytesPerMs = open.cursor / Math.max(PACE_MS_MIN, now - open.openedAt);
  return restOf(open) < OPEN_AHEAD_MS * bytesPerMs;
}

function cut(open: OpenSegment, sizeBytes: number): AllocatedKey {
  const material = open.material.slice(open.cursor, open.cursor + sizeBytes);
  open.material.expose((bytes) => bytes.fill(0, open.cursor, open.cursor + sizeBytes));
  return { segment: open.name, offsetBytes: open.cursor, material };
}
