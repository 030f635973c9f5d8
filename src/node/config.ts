/** What a node has to be told; the daemon reads it from a file, the simulation makes it up. */
import { QkdError } from "../model/errors.ts";
import type { KeyClass, NodeId } from "../model/ids.ts";
import { HOUR_MS, MINUTE_MS } from "../model/units.ts";
import type { LinkLimits } from "../link/link-parts.ts";
import { GRADES, type Grade, type PoolPolicy } from "../pre-establishment/pre-establishment-strategy.ts";
import type { PoolId } from "../relay/pool-records.ts";
import { strategies } from "../pre-establishment/strategies/index.ts";
import type { SupplyLimits } from "../supply/key-supply.ts";
import { KEY_BYTES_MAX } from "../supply/key-id.ts";
import type { AllowedPair, SaeEntry } from "../supply/sae-directory.ts";

export interface LinkConfig {
  readonly neighbour: NodeId;
  readonly driver: string;
  readonly driverConfig: unknown;
  readonly limits: LinkLimits;
}

export interface NodeConfig {
  readonly node: NodeId;
  readonly links: readonly LinkConfig[];
  readonly saes: readonly SaeEntry[];
  readonly pairs: readonly AllowedPair[];
  readonly supply: SupplyLimits & {
    readonly storedKeysMax: number;
    readonly uuidVersion: 8 | 4;
    readonly onDemandDeadlineMs: number;
  };
  readonly policy: PoolPolicy;
  /** Pools whose policy is another one. */
  readonly policies: readonly (PoolPolicy & { readonly remote: NodeId; readonly keyClass: KeyClass })[];
  /** How long an end-to-end key may be used after it was established. */
  readonly keyLifetimeMs: number;
  /** How long the target keeps what the initiator has used up or given up: its SAE may still come. */
  readonly keyFetchGraceMs: number;
  readonly inboundPoolBytesMax: number;
  /** How old the wrapping of the store's data keys may become. */
  readonly rewrapPeriodMs: number;
  /** Burn stock of links and pools that are not named here; else it is kept. */
  readonly discardRemoved: boolean;
}

export const SUPPLY_DEFAULTS: NodeConfig["supply"] = {
  keySizeDefaultBits: 256,
  keySizeMinBits: 64,
  keySizeMaxBits: 4096,
  keysPerRequestMax: 128,
  storedKeysMax: 100_000,
  uuidVersion: 8,
  onDemandDeadlineMs: 2_000,
};

export const POLICY_DEFAULT: PoolPolicy = {
  strategy: "minimal-buffer",
  lowKeys: 512,
  highKeys: 1024,
  minKeys: 4,
  maxKeys: 16_384,
};

/** The policy of a pool, either end of it. */
export function policyOf({ policies, policy }: NodeConfig, { remote, keyClass }: PoolId): PoolPolicy {
  return policies.find((other) => other.remote === remote && other.keyClass === keyClass) ?? policy;
}

/** As the policy says; else as the class is named, and silver where that is no grade. */
export function gradeOf(policy: PoolPolicy, keyClass: KeyClass): Grade {
  return policy.grade ?? GRADES.find((grade) => grade === (keyClass as string)) ?? "silver";
}

export const NODE_DEFAULTS = {
  keyLifetimeMs: 24 * HOUR_MS,
  keyFetchGraceMs: HOUR_MS,
  inboundPoolBytesMax: 64 * 1_048_576,
  rewrapPeriodMs: 10 * MINUTE_MS,
  discardRemoved: false,
};

/**
 * What no field can tell by itself.
 *
 * @throws QkdError CONFIG_INVALID, with the field's path as fact `field`
 */
export function checkNodeConfig(config: NodeConfig): void {
  const { supply } = config;
  config.links.forEach(({ neighbour }, i) => {
    const field = `links[${i}].neighbour`;
    if (neighbour === config.node) throw wrong(field, "a node is no neighbour of itself");
    if (config.links.findIndex((other) => other.neighbour === neighbour) < i) {
      throw wrong(field, `there is a link to ${neighbour} already`);
    }
  });
  config.saes.forEach(({ id }, i) => {
    if (config.saes.findIndex((other) => other.id === id) < i) throw wrong(`saes[${i}].id`, "this SAE is listed twice");
  });
  const saes = new Set(config.saes.map(({ id }) => id));
  config.pairs.forEach(({ between }, i) => {
    between.forEach((sae, j) => {
      if (!saes.has(sae)) throw wrong(`pairs[${i}].between[${j}]`, `SAE "${sae}" is not listed in "saes"`);
    });
    if (between[0] === between[1]) throw wrong(`pairs[${i}].between`, "an SAE shares no key with itself");
  });
  checkSupply(supply);
  [config.policy, ...config.policies].forEach((policy, i) =>
    checkPolicy(policy, i === 0 ? "preEstablishment" : `preEstablishment.pools[${i - 1}]`),
  );
}

function checkSupply(supply: NodeConfig["supply"]): void {
  for (const field of ["keySizeMinBits", "keySizeDefaultBits", "keySizeMaxBits"] as const) {
    if (supply[field] % 8 !== 0) throw wrong(`supply.${field}`, "a key size is a multiple of 8 bits");
  }
  if (supply.keySizeMaxBits > 8 * KEY_BYTES_MAX) {
    throw wrong("supply.keySizeMaxBits", `a key id can name keys of at most ${8 * KEY_BYTES_MAX} bits`);
  }
  const inOrder =
    supply.keySizeMinBits <= supply.keySizeDefaultBits && supply.keySizeDefaultBits <= supply.keySizeMaxBits;
  if (!inOrder) throw wrong("supply.keySizeDefaultBits", "must lie between keySizeMinBits and keySizeMaxBits");
}

function checkPolicy(policy: PoolPolicy, path: string): void {
  if (!strategies.has(policy.strategy)) {
    const known = [...strategies.keys()].join(", ");
    throw wrong(`${path}.strategy`, `there is no strategy "${policy.strategy}"; there are: ${known}`);
  }
  if (policy.lowKeys > policy.highKeys) throw wrong(`${path}.lowKeys`, "must not be above highKeys");
  if (policy.minKeys > policy.maxKeys) throw wrong(`${path}.minKeys`, "must not be above maxKeys");
}

const wrong = (field: string, sentence: string): QkdError =>
  new QkdError("CONFIG_INVALID", `${field}: ${sentence}`, { field });
