/**
 * Secret key rate and QBER of a decoy-state BB84 link, from its length.
 *
 * GLLP with vacuum and one weak decoy state (Ma, Qi, Zhao, Lo 2005, arXiv quant-ph/0503005): the gain of a state of mean
 * photon number m is Q_m = Y0 + 1 - exp(-eta m), its error rate E_m Q_m = Y0 / 2 + e_d (1 - exp(-eta m)). From both, the
 * share Q1 of single photons and their error rate e1 are bounded; the rate for each pulse is
 * q p_sig { Q1 [1 - H2(e1)] - f Q_mu H2(E_mu) }.
 */
export interface QkdEquipment {
  /** What it stands for, and how far it is to be trusted. */
  readonly about: string;
  readonly pulsesPerSecond: number;
  /** Mean photon number of signal (mu) and weak decoy (nu). */
  readonly signalPhotons: number;
  readonly decoyPhotons: number;
  /** Share of pulses whose bases agree (q), and that are signals (p_sig). */
  readonly siftedShare: number;
  readonly signalShare: number;
  /** Cost of error correction over the Shannon limit (f). */
  readonly errorCorrectionCost: number;
  /** Share of the photons arriving at the receiver that it counts (eta_Bob). */
  readonly receiverEfficiency: number;
  /** Chance of a click without a photon (Y0), and of a wrong click with one (e_d). */
  readonly darkClicks: number;
  readonly misalignment: number;
  readonly lossDbPerKm: number;
}

export interface LinkRate {
  /** 0 where the loss leaves nothing. */
  readonly secretKeyRateBps: number;
  readonly qber: number;
}

export const EQUIPMENT = {
  "t12-fit": {
    about: "commercial, 1 GHz: fitted to the four published T12 points (arXiv 1310.0240) within 6 %; reach 92 km",
    pulsesPerSecond: 1e9,
    signalPhotons: 0.425,
    decoyPhotons: 0.0435,
    siftedShare: 0.879,
    signalShare: 0.9883,
    errorCorrectionCost: 1.1,
    receiverEfficiency: 0.1102,
    darkClicks: 7.46e-5, // effective: absorbs afterpulsing and finite size
    misalignment: 0.03,
    lossDbPerKm: 0.2,
  },
  "gys-10mhz": {
    about: "commercial, low rate: 15 kb/s at 10 km, 2 kb/s at 50 km; the physics of the GYS experiment at 10 MHz",
    pulsesPerSecond: 1e7,
    signalPhotons: 0.48,
    decoyPhotons: 0.05,
    siftedShare: 0.5,
    signalShare: 1,
    errorCorrectionCost: 1.22,
    receiverEfficiency: 0.045,
    darkClicks: 1.7e-6,
    misalignment: 0.033,
    lossDbPerKm: 0.21,
  },
  "snspd-lab": {
    about: "record of the laboratory, 2.5 GHz: one point, 115 Mb/s at 2.2 dB (arXiv 2307.02364)",
    pulsesPerSecond: 2.5e9,
    signalPhotons: 0.5,
    decoyPhotons: 0.15,
    siftedShare: 0.8,
    signalShare: 0.8,
    errorCorrectionCost: 1.16,
    receiverEfficiency: 0.46,
    darkClicks: 1e-7,
    misalignment: 0.004,
    lossDbPerKm: 0.2,
  },
} as const satisfies Record<string, QkdEquipment>;

export type EquipmentName = keyof typeof EQUIPMENT;

export const EQUIPMENT_NAMES = Object.keys(EQUIPMENT) as [EquipmentName, ...EquipmentName[]];

/** @param lengthKm  of fibre; other loss (plugs, splices) counts as more of it */
export function rateOver(equipment: QkdEquipment, lengthKm: number): LinkRate {
  return rateAtLoss(equipment, equipment.lossDbPerKm * lengthKm);
}

export function rateAtLoss(equipment: QkdEquipment, lossDb: number): LinkRate {
  const { signalPhotons: mu, decoyPhotons: nu, darkClicks: y0, misalignment } = equipment;
  const eta = equipment.receiverEfficiency * 10 ** (-lossDb / 10);
  const clicks = (photons: number): number => 1 - Math.exp(-eta * photons);
  const gain = (photons: number): number => y0 + clicks(photons);
  const errors = (photons: number): number => y0 / 2 + misalignment * clicks(photons);
  const qber = errors(mu) / gain(mu);

  const singleYield =
    (mu / (mu * nu - nu ** 2)) *
    (gain(nu) * Math.exp(nu) - gain(mu) * Math.exp(mu) * (nu / mu) ** 2 - ((mu ** 2 - nu ** 2) / mu ** 2) * y0);
  const singleErrors = (errors(nu) * Math.exp(nu) - y0 / 2) / (singleYield * nu);
  const singleGain = singleYield * mu * Math.exp(-mu);
  const perPulse =
    singleGain * (1 - binaryEntropy(singleErrors)) - equipment.errorCorrectionCost * gain(mu) * binaryEntropy(qber);
  const rate = equipment.pulsesPerSecond * equipment.siftedShare * equipment.signalShare * perPulse;
  return { secretKeyRateBps: singleYield > 0 && rate > 0 ? rate : 0, qber };
}

/** H2, in bits; from one half on nothing can be learnt. */
function binaryEntropy(p: number): number {
  if (p <= 0) return 0;
  if (p >= 0.5) return 1;
  return -p * Math.log2(p) - (1 - p) * Math.log2(1 - p);
}
