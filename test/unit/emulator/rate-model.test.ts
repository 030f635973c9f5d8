/** The rate model against the points that are published for its equipment. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EQUIPMENT, rateAtLoss, rateOver } from "../../../src/emulator/rate-model.ts";

const isWithin = (value: number, wanted: number, share: number): boolean => Math.abs(value / wanted - 1) <= share;

describe("the rate of a link", () => {
  it("is within 6 % of the four published points of the T12 system (arXiv 1310.0240)", () => {
    for (const [lossDb, publishedBps] of [
      [7, 2.2e6],
      [10, 1.09e6],
      [13, 0.4e6],
      [16, 0.12e6],
    ] as const) {
      const { secretKeyRateBps } = rateAtLoss(EQUIPMENT["t12-fit"], lossDb);
      assert.ok(isWithin(secretKeyRateBps, publishedBps, 0.06), `${lossDb} dB: ${secretKeyRateBps}`);
    }
  });

  it("is within a quarter of the Tokyo field trial, to which it was not fitted (14.5 dB, 304 kb/s)", () => {
    assert.ok(isWithin(rateAtLoss(EQUIPMENT["t12-fit"], 14.5).secretKeyRateBps, 304e3, 0.25));
  });

  it("has the QBER and the reach of the fit", () => {
    const equipment = EQUIPMENT["t12-fit"];
    assert.ok(isWithin(rateOver(equipment, 10).qber, 0.0312, 0.01));
    assert.ok(isWithin(rateOver(equipment, 80).qber, 0.058, 0.01));
    assert.ok(rateOver(equipment, 91.7).secretKeyRateBps > 0);
    assert.equal(rateOver(equipment, 91.9).secretKeyRateBps, 0);
  });

  it("reaches as far with the physics of GYS as was published for one weak decoy state (140.55 km)", () => {
    const equipment = EQUIPMENT["gys-10mhz"];
    assert.ok(rateOver(equipment, 140.55).secretKeyRateBps > 0);
    assert.equal(rateOver(equipment, 140.7).secretKeyRateBps, 0);
    assert.ok(isWithin(rateOver(equipment, 100).qber, 0.03758, 0.001));
  });

  it("is that of a commercial low-rate system over a city", () => {
    for (const lengthKm of [10, 30, 60]) {
      const { secretKeyRateBps } = rateOver(EQUIPMENT["gys-10mhz"], lengthKm);
      assert.ok(secretKeyRateBps >= 1000 && secretKeyRateBps <= 15_000, `${lengthKm} km: ${secretKeyRateBps}`);
    }
  });

  it("is that of the published record at its one point (2.2 dB, 115.8 Mb/s)", () => {
    assert.ok(isWithin(rateAtLoss(EQUIPMENT["snspd-lab"], 2.2).secretKeyRateBps, 115.8e6, 0.01));
  });

  it("falls with every kilometre, and the QBER grows", () => {
    for (const equipment of Object.values(EQUIPMENT)) {
      let before = rateOver(equipment, 0);
      for (let lengthKm = 1; rateOver(equipment, lengthKm).secretKeyRateBps > 0; lengthKm++) {
        const now = rateOver(equipment, lengthKm);
        assert.ok(now.secretKeyRateBps < before.secretKeyRateBps && now.qber > before.qber);
        before = now;
      }
    }
  });

  it("is nothing, and no nonsense, over any other length", () => {
    for (const equipment of Object.values(EQUIPMENT)) {
      for (const lengthKm of [300, 1000, 10_000]) {
        const { secretKeyRateBps, qber } = rateOver(equipment, lengthKm);
        assert.equal(secretKeyRateBps, 0);
        assert.ok(qber > 0 && qber <= 0.5);
      }
    }
  });
});
