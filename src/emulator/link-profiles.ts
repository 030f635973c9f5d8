/** Links as one meets them: equipment and a length of fibre, each with the source of its figures. */
import { rateText } from "../api/operator/text-table.ts";
import { EQUIPMENT, type EquipmentName, type LinkRate, rateOver } from "./rate-model.ts";

export interface LinkProfile {
  /** Where such a link is found, and by whom its figures were published. */
  readonly about: string;
  readonly equipment: EquipmentName;
  readonly lengthKm: number;
}

export const LINK_PROFILES = {
  metro: {
    about: "a city: commercial 1 GHz equipment; rate model fitted to the T12 system (arXiv 1310.0240)",
    equipment: "t12-fit",
    lengthKm: 25,
  },
  regional: {
    about: "between cities: the same equipment where T12 gave 1.09 Mb/s (arXiv 1310.0240)",
    equipment: "t12-fit",
    lengthKm: 50,
  },
  backbone: {
    about: "a trunk: T12 over the mean span of Beijing-Shanghai (2,032 km, 32 trusted nodes)",
    equipment: "t12-fit",
    lengthKm: 65,
  },
  edge: {
    about: "close to the reach of T12 (92 km): little key, and a QBER near its limit",
    equipment: "t12-fit",
    lengthKm: 88,
  },
  access: {
    about: "low-cost equipment at a customer's door: the physics of GYS at 10 MHz (quant-ph/0503005)",
    equipment: "gys-10mhz",
    lengthKm: 10,
  },
  laboratory: {
    about: "the record over 10 km (arXiv 2307.02364); a machine gives what its processor can",
    equipment: "snspd-lab",
    lengthKm: 10,
  },
} as const satisfies Record<string, LinkProfile>;

export type LinkProfileName = keyof typeof LINK_PROFILES;

export const LINK_PROFILE_NAMES = Object.keys(LINK_PROFILES) as [LinkProfileName, ...LinkProfileName[]];

/** @param lengthKm  instead of the profile's */
export function rateOfProfile(name: LinkProfileName, lengthKm: number = LINK_PROFILES[name].lengthKm): LinkRate {
  return rateOver(EQUIPMENT[LINK_PROFILES[name].equipment], lengthKm);
}

/** One line each, for `--help`. */
export function linkProfileTexts(): readonly string[] {
  return LINK_PROFILE_NAMES.map((name) => {
    const { about, lengthKm } = LINK_PROFILES[name];
    const { secretKeyRateBps, qber } = rateOfProfile(name);
    const figures = `${lengthKm} km, ${rateText(secretKeyRateBps).padStart(9)}, ${(100 * qber).toFixed(1)} %`;
    return `  ${name.padEnd(10)}  ${figures}  ${about}`;
  });
}
