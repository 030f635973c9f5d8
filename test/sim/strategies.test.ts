/** A short form of `npm run eval`: what is claimed of strategies, on whole nodes in virtual time, with wide margins. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { cells, type Cell } from "../eval/cells.ts";
import type { RunFigures } from "../eval/figures.ts";
import { simulateRing } from "../eval/ring-simulation.ts";
import { contestants } from "../eval/strategies.ts";

const SEED = 3;
/** As little as shows it. */
const BURSTS = { perSecond: 30, rateBps: 100_000 };

function run(cellName: string, contestantName: string, less: Partial<Cell>): Promise<RunFigures> {
  const cell = cells.find(({ name }) => name === cellName)!;
  const contestant = contestants.find(({ name }) => name === contestantName)!;
  return simulateRing({ seed: SEED, contestant, cell: { ...cell, ...less }, seconds: 15 });
}

test("under bursts, stock that follows demand serves as often as 32 keys a pool, with much less", async () => {
  const [minimal, fixed] = [await run("bursts", "minimal-buffer", BURSTS), await run("bursts", "static-32", BURSTS)];
  assert.ok(minimal.hitRatio >= 0.99, `${minimal.hitRatio} of requests were served at once`);
  assert.ok(minimal.hitRatio >= fixed.hitRatio - 0.005);
  assert.ok(minimal.stockKeys < 0.6 * fixed.stockKeys, `${minimal.stockKeys} keys against ${fixed.stockKeys}`);
});

test("where links are short of key, large pools starve each other, and stock that follows demand does not", async () => {
  const [minimal, fixed] = [await run("scarce", "minimal-buffer", {}), await run("scarce", "static-128", {})];
  assert.ok(minimal.hitRatio >= 0.95, `${minimal.hitRatio} of requests were served at once`);
  assert.ok(minimal.hitRatio > fixed.hitRatio + 0.02, `${minimal.hitRatio} against ${fixed.hitRatio}`);
  assert.ok(minimal.stockKeys < 0.5 * fixed.stockKeys, `${minimal.stockKeys} keys against ${fixed.stockKeys}`);
});
