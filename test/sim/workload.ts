/** SAEs at every node: initiators ask for keys, targets fetch them by id a little later; what they got is compared. */
import { createHash } from "node:crypto";
import { isQkdError } from "../../src/model/errors.ts";
import type { KeyId } from "../../src/model/ids.ts";
import type { Clock } from "../../src/runtime/clock.ts";
import type { SeededRandom } from "../fakes/seeded-random.ts";
import { HostileSae } from "./hostile-sae.ts";
import { saeAt, type World } from "./world.ts";
import type { SimNode } from "./sim-node.ts";

const SIZES_BITS = [64, 256, 256, 256, 1024, 4096];
const COUNTS = [1, 1, 1, 4, 16];
const FETCH_AGAIN = 0.1;
const FETCH_TWICE_AT_ONCE = 0.05;
/** Keys that somebody else tries to take, before their target comes. */
const COVETED = 0.05;

/** A key that an initiator was given. Only a digest and a prefix are kept: enough to compare and to search for. */
export interface IssuedKey {
  readonly id: KeyId;
  readonly initiator: SimNode;
  readonly target: SimNode;
  readonly digest: string;
  readonly bytes: Uint8Array;
  fetched: boolean;
}

/** At most `max` of the keys, spread over the run: what is searched for is searched in every text. */
export function sampleOf(keys: readonly IssuedKey[], max: number): readonly IssuedKey[] {
  const step = Math.ceil(keys.length / max);
  return step <= 1 ? keys : keys.filter((_, i) => i % step === 0);
}

export interface Workload {
  readonly issued: readonly IssuedKey[];
  readonly fetchedCount: number;
  readonly shortages: number;
  /** Keys that the target did not have any more (after crashes). */
  readonly lost: number;
  /** Tries of SAEs to get keys of others. */
  readonly coveted: number;
  /** Starts asking, about `perSecond` times a second, until `stop`. */
  start(perSecond: number): void;
  stop(): void;
}

export function createWorkload(world: World): Workload {
  return new SaeWorkload(world);
}

class SaeWorkload implements Workload {
  readonly issued: IssuedKey[] = [];
  fetchedCount = 0;
  shortages = 0;
  lost = 0;
  readonly #world: World;
  readonly #random: SeededRandom;
  readonly #patience: Clock;
  readonly #ids = new Set<KeyId>();
  readonly #digests = new Map<string, KeyId>();
  readonly #hostile: HostileSae;
  #running = false;

  constructor(world: World) {
    this.#world = world;
    this.#random = world.random.fork("workload");
    this.#patience = world.clock.clockFor("SAEs");
    this.#hostile = new HostileSae(world, this.#random.fork("hostile SAEs"));
  }

  get coveted(): number {
    return this.#hostile.attempts;
  }

  start(perSecond: number): void {
    this.#running = true;
    const next = (): void => {
      if (!this.#running) return;
      this.#ask();
      this.#world.clock.after((-1000 * Math.log(1 - this.#random.fraction())) / perSecond, next);
    };
    next();
  }

  stop(): void {
    this.#running = false;
  }

  #ask(): void {
    const { nodes } = this.#world;
    const initiator = this.#random.pick(nodes);
    const target = this.#random.pick(nodes.filter((node) => node !== initiator));
    const request = { sizeBits: this.#random.pick(SIZES_BITS), count: this.#random.pick(COUNTS) };
    const delayMs = this.#random.between(1, 3_000);
    if (initiator.up) void this.#initiate(initiator, target, request, delayMs);
  }

  async #initiate(
    initiator: SimNode,
    target: SimNode,
    request: { readonly count: number; readonly sizeBits: number },
    delayMs: number,
  ): Promise<void> {
    const pair = { initiator: saeAt(initiator.id), target: saeAt(target.id) };
    const life = initiator.node!;
    try {
      const deadline = this.#patience.timeout(2_000);
      const keys = await life.supply.encryptionKeys({ pair, ...request }, deadline);
      if (initiator.node !== life) return; // the answer never left the node
      const issued = keys.map(({ id, material }) =>
        this.#record(
          id,
          material.expose((b) => b.slice()),
          initiator,
          target,
        ),
      );
      for (const { material } of keys) material.erase();
      if (this.#world.nodes.length > 2 && this.#random.chance(COVETED)) void this.#hostile.triesToTake(issued[0]!);
      const timesAtOnce = this.#random.chance(FETCH_TWICE_AT_ONCE) ? 2 : 1;
      this.#world.clock.after(delayMs, () => {
        for (let times = 0; times < timesAtOnce; times++) void this.#fetch(issued, times > 0);
      });
    } catch (failure) {
      if (isQkdError(failure, "KEY_SHORTAGE")) this.shortages += 1;
      else if (!isQkdError(failure, "STORE_FAILED", "CANCELLED")) throw failure;
    }
  }

  #record(id: KeyId, bytes: Uint8Array, initiator: SimNode, target: SimNode): IssuedKey {
    const digest = createHash("sha256").update(bytes).digest("hex");
    if (this.#ids.has(id)) this.#world.violate(`lose-never-repeat: key id ${id} was supplied twice to initiators`);
    this.#ids.add(id);
    const before = this.#digests.get(digest);
    if (before !== undefined) this.#world.violate(`lose-never-repeat: keys ${before} and ${id} are the same bits`);
    this.#digests.set(digest, id);
    const key: IssuedKey = { id, initiator, target, digest, bytes, fetched: false };
    this.issued.push(key);
    return key;
  }

  /** @param isSecond  another request for the same keys is under way: one of the two comes too late, and nothing is lost */
  async #fetch(keys: readonly IssuedKey[], isSecond = false): Promise<void> {
    const { target, initiator } = keys[0]!;
    const life = target.node;
    if (life === undefined) return void this.#world.clock.after(500, () => void this.#fetch(keys));
    const pair = { initiator: saeAt(initiator.id), target: saeAt(target.id) };
    try {
      const deadline = this.#patience.timeout(2_000);
      const supplied = await life.supply.decryptionKeys({ pair, ids: keys.map(({ id }) => id) }, deadline);
      if (target.node !== life) return;
      for (const [i, { id, material }] of supplied.entries()) {
        this.#compare(
          keys[i]!,
          id,
          material.expose((bytes) => createHash("sha256").update(bytes).digest("hex")),
        );
        material.erase();
      }
    } catch (failure) {
      if (isQkdError(failure, "KEY_UNKNOWN")) {
        if (!isSecond) this.lost += keys.filter(({ fetched }) => !fetched).length;
      } else if (!isQkdError(failure, "STORE_FAILED", "CANCELLED")) throw failure;
    }
    if (this.#random.chance(FETCH_AGAIN)) this.#world.clock.after(1_000, () => void this.#fetch(keys.slice(0, 1)));
  }

  #compare(key: IssuedKey, id: KeyId, digest: string): void {
    if (id !== key.id) this.#world.violate(`pairs-match: asked for ${key.id}, got ${id}`);
    if (key.fetched) this.#world.violate(`lose-never-repeat: key ${id} was supplied twice to its target`);
    if (digest !== key.digest) this.#world.violate(`pairs-match: the two ends of key ${id} differ`);
    key.fetched = true;
    this.fetchedCount += 1;
  }
}
