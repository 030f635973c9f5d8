import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BIT_CUTOFF, BYTE_CUTOFF, BYTE_WINDOW_BYTES, REPETITION_CUTOFF } from "../../../src/link/health-tests.ts";
import { KeyHealth, withoutFaults, type HealthFault } from "../../../src/link/key-health.ts";
import type { QkdKeyId } from "../../../src/model/ids.ts";
import { createSeededRandom } from "../../fakes/seeded-random.ts";

const id = (number: number): QkdKeyId => number.toString(16).padStart(12, "0") as QkdKeyId;
const random = createSeededRandom("key health");

function randomBytes(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(new ArrayBuffer(length));
  random.fill(bytes);
  return bytes;
}

/** Judges one batch of keys of equal length. @returns faults by number of the key */
function judge(health: KeyHealth, bytes: Uint8Array<ArrayBuffer>, keyBytes: number): Record<number, HealthFault> {
  const faults = health.judge(bytes, [{ first: id(0), count: bytes.length / keyBytes, keyBytes }]);
  return Object.fromEntries([...faults].map(([offset, fault]) => [offset / keyBytes, fault]));
}

describe("the health of QKD-keys", () => {
  it("good key passes: 64 MiB of it, in keys and batches of any length", () => {
    const health = new KeyHealth(random);
    let judged = 0;
    for (const [keyBytes, count] of [
      [32, 4096],
      [1, 1000],
      [5, 700],
      [8192, 8],
      [33, 2000],
      [65_536, 1],
    ] as const) {
      for (const end = judged + 11_200_000; judged < end; judged += count * keyBytes) {
        assert.deepEqual(judge(health, randomBytes(count * keyBytes), keyBytes), {});
      }
    }
  });

  it("the cutoffs are those of SP 800-90B for alpha = 2^-64", () => {
    assert.equal(REPETITION_CUTOFF, 1 + 64 / 8);
    assert.equal(BYTE_CUTOFF, 1 + criticalBinomial(BYTE_WINDOW_BYTES, 1 / 256, 2 ** -64));
    assert.equal(BIT_CUTOFF, 1 + criticalBinomial(1024, 1 / 2, 2 ** -64));
  });

  it("a key of one byte again and again is named for what it is, and no other key of the batch with it", () => {
    for (const [byte, fault] of [
      [0, "zero"],
      [0xff, "ones"],
      [0x5a, "constant"],
    ] as const) {
      const bytes = randomBytes(10 * 256);
      bytes.fill(byte, 3 * 256, 4 * 256);
      assert.deepEqual(judge(new KeyHealth(random), bytes, 256), { 3: fault });
    }
  });

  it("nine equal bytes in a row are a fault, eight are chance, at whatever place they begin", () => {
    for (let at = 1000; at < 1008; at++) {
      for (const [length, faults] of [
        [REPETITION_CUTOFF - 1, {}],
        [REPETITION_CUTOFF, { 1: "repetition" }],
      ] as const) {
        const bytes = randomBytes(2000);
        bytes.fill(7, at, at + length);
        bytes[at - 1] = bytes[at + length] = 8;
        assert.deepEqual(judge(new KeyHealth(random), bytes, 1000), faults, `${length} at ${at}`);
      }
    }
  });

  it("a byte that comes too often, and bits that lean to one side, are found within a window, over any number of batches", () => {
    const leaning = (): Uint8Array<ArrayBuffer> => {
      const [bytes, mask] = [randomBytes(64), randomBytes(64)];
      return bytes.map((byte, i) => byte | mask[i]!); // three bits in four are ones
    };
    const patterned = (): Uint8Array<ArrayBuffer> => randomBytes(64).map((byte, i) => (i % 16 === 0 ? 0xa5 : byte));
    for (const make of [leaning, patterned]) {
      const health = new KeyHealth(random);
      const faults = Array.from({ length: 16 }, () => Object.values(judge(health, make(), 64)));
      assert.deepEqual([...new Set(faults.flat())], ["proportion"], make.name);
    }
  });

  it("a key with the bytes of another is stuck right after it, repeated later; also in the same batch", () => {
    const health = new KeyHealth(random);
    const keys = randomBytes(4 * 32);
    const [first, second] = [keys.slice(0, 32), keys.slice(32, 64)];
    assert.deepEqual(judge(health, keys, 32), {});
    assert.deepEqual(judge(health, keys.slice(96), 32), { 0: "stuck" });
    assert.deepEqual(judge(health, first, 32), { 0: "repeated" });
    const batch = randomBytes(5 * 32);
    batch.set(batch.subarray(0, 32), 32);
    batch.set(second, 96);
    assert.deepEqual(judge(health, batch, 32), { 1: "stuck", 3: "repeated" });
  });

  it("of a piece only the keys that are fit are left, with their places", () => {
    const piece = { first: id(10), count: 5, keyBytes: 32, offsetBytes: 320 };
    const faults = new Map<number, HealthFault>([
      [320, "zero"],
      [320 + 3 * 32, "zero"],
      [1000, "zero"],
    ]);
    assert.deepEqual(
      [...withoutFaults(piece, faults)],
      [
        { first: id(11), count: 2, keyBytes: 32, offsetBytes: 352 },
        { first: id(14), count: 1, keyBytes: 32, offsetBytes: 320 + 4 * 32 },
      ],
    );
  });
});

/** The least k for which more than k hits of `count` have at most the probability `alpha`. */
function criticalBinomial(count: number, chance: number, alpha: number): number {
  let hits = count;
  for (let beyond = 0; ; hits--) {
    beyond += Math.exp(logChoose(count, hits) + hits * Math.log(chance) + (count - hits) * Math.log1p(-chance));
    if (beyond > alpha) return hits;
  }
}

function logChoose(count: number, hits: number): number {
  let sum = 0;
  for (let i = 1; i <= hits; i++) sum += Math.log(count - hits + i) - Math.log(i);
  return sum;
}
