/** The fields of a configuration file: their types, bounds and defaults. docs/operating.md has the same as a table. */
import { z } from "zod";

import { LOG_LEVELS } from "../io/json-logger.ts";
import { SPIFFE_DOMAIN_DEFAULT } from "../io/peer-identity.ts";
import { LINK_LIMITS, SEGMENT_BYTES_MIN } from "../link/link-parts.ts";
import { sentenceOf } from "../model/errors.ts";
import { parseKeyClass, parseNodeId, parseSaeId } from "../model/ids.ts";
import { HOUR_MS, KIB, MINUTE_MS, SECOND_MS } from "../model/units.ts";
import { NODE_DEFAULTS, POLICY_DEFAULT, SUPPLY_DEFAULTS } from "../node/config.ts";
import { ADVERT_LINKS_MAX } from "../peer/peer-messages.ts";
import { GRADES } from "../pre-establishment/pre-establishment-strategy.ts";
import { SHARES_MAX, WHEN_TOO_FEW_ROUTES } from "../relay/split-policy.ts";

const OPERATOR_LISTEN_DEFAULT = "127.0.0.1:9614";
const COUNT_MAX = 10_000_000;

/** An object that has these fields and no other. */
function fields<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === "unrecognized_keys"
        ? `there is no such field; there are: ${Object.keys(shape).join(", ")}`
        : undefined,
  });
}

/** A string that `read` understands; what `read` throws is what the operator reads. */
function text<Value>(read: (text: string) => Value) {
  return z.string().transform((given, context): Value => {
    try {
      return read(given);
    } catch (failure) {
      context.addIssue({ code: "custom", message: sentenceOf(failure) });
      return z.NEVER;
    }
  });
}

const DURATION_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: SECOND_MS,
  min: MINUTE_MS,
  h: HOUR_MS,
  d: 24 * HOUR_MS,
};
const SIZE_UNITS: Readonly<Record<string, number>> = { B: 1, KiB: KIB, MiB: KIB ** 2, GiB: KIB ** 3 };

function quantity(given: string, units: Readonly<Record<string, number>>, example: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?) ?([A-Za-z]+)$/.exec(given) ?? [];
  const factor = unit === undefined || !Object.hasOwn(units, unit) ? undefined : units[unit];
  if (factor === undefined) {
    throw new Error(
      `"${given}" is no amount with a unit (${Object.keys(units).join(", ")}); write it like "${example}"`,
    );
  }
  return Math.round(Number(amount) * factor);
}

const durationMs = (minMs: number, maxMs: number) =>
  text((given) => {
    const found = quantity(given, DURATION_UNITS, "24h");
    if (found >= minMs && found <= maxMs) return found;
    throw new Error(`"${given}" is out of range: ${minMs / SECOND_MS} s to ${maxMs / SECOND_MS} s`);
  });
const sizeBytes = (min: number, max: number) =>
  text((given) => {
    const found = quantity(given, SIZE_UNITS, "64MiB");
    if (found >= min && found <= max) return found;
    throw new Error(`"${given}" is out of range: ${min} B to ${max} B`);
  });

/** Where to listen, or whom to call. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export function parseHostPort(given: string): HostPort {
  const [, bracketed, plain, digits] = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]\s/]+)):(\d{1,5})$/.exec(given) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host === undefined) {
    throw new Error(`"${given}" is no address with a port; write it like "127.0.0.1:9611" or "[::1]:9611"`);
  }
  if (port > 65_535) throw new Error(`${digits} is no port: it has to be 0 (any free one) to 65535`);
  return { host, port };
}

const listen = text(parseHostPort);
const nodeId = text(parseNodeId);
const saeId = text(parseSaeId);
const keyClass = text(parseKeyClass);
const file = z.string().min(1, "the path of a file is missing");
const sizeBits = z.int().min(8).max(1_048_576);

const tls = fields({ ca: file, cert: file, key: file });

const limits = fields({
  segmentBytes: sizeBytes(SEGMENT_BYTES_MIN, 64 * KIB).default(LINK_LIMITS.segmentBytes),
  segmentAgeMax: durationMs(SECOND_MS, HOUR_MS).default(LINK_LIMITS.segmentAgeMaxMs),
  unmatchedAgeMax: durationMs(SECOND_MS, HOUR_MS).default(LINK_LIMITS.unmatchedAgeMaxMs),
  quarantineMax: sizeBytes(64 * KIB, KIB ** 3).default(LINK_LIMITS.quarantineBytesMax),
  stockMax: sizeBytes(64 * KIB, 64 * KIB ** 3).default(LINK_LIMITS.stockBytesMax),
  keyLifetime: durationMs(MINUTE_MS, 366 * 24 * HOUR_MS).default(LINK_LIMITS.keyLifetimeMs),
});

const link = fields({
  neighbour: nodeId,
  driver: z.string().min(1),
  module: z.unknown().optional(),
  limits: limits.prefault({}),
});

const supply = fields({
  keySizeDefaultBits: sizeBits.default(SUPPLY_DEFAULTS.keySizeDefaultBits),
  keySizeMinBits: sizeBits.default(SUPPLY_DEFAULTS.keySizeMinBits),
  keySizeMaxBits: sizeBits.default(SUPPLY_DEFAULTS.keySizeMaxBits),
  keysPerRequestMax: z.int().min(1).max(10_000).default(SUPPLY_DEFAULTS.keysPerRequestMax),
  storedKeysMax: z.int().min(1).max(COUNT_MAX).default(SUPPLY_DEFAULTS.storedKeysMax),
  uuidVersion: z.literal([8, 4]).default(SUPPLY_DEFAULTS.uuidVersion),
  onDemandDeadline: durationMs(0, MINUTE_MS).default(SUPPLY_DEFAULTS.onDemandDeadlineMs),
  keyLifetime: durationMs(2 * MINUTE_MS, 366 * 24 * HOUR_MS).default(NODE_DEFAULTS.keyLifetimeMs),
  keyFetchGrace: durationMs(0, 366 * 24 * HOUR_MS).default(NODE_DEFAULTS.keyFetchGraceMs),
  inboundPoolMax: sizeBytes(64 * KIB, 64 * KIB ** 3).default(NODE_DEFAULTS.inboundPoolBytesMax),
});

const perSae = fields({
  requestsPerSecondMax: z.int().min(1).max(1_000_000).default(2_000),
  requestsAtOnceMax: z.int().min(1).max(1_024).default(64),
});

const keyCount = z.int().min(0).max(COUNT_MAX);
const policy = {
  strategy: z.string().min(1).default(POLICY_DEFAULT.strategy),
  lowKeys: keyCount.default(POLICY_DEFAULT.lowKeys),
  highKeys: keyCount.default(POLICY_DEFAULT.highKeys),
  minKeys: keyCount.default(POLICY_DEFAULT.minKeys),
  maxKeys: keyCount.min(1).default(POLICY_DEFAULT.maxKeys),
  grade: z.enum(GRADES).optional(),
  disjointPaths: z.int().min(1).max(SHARES_MAX).default(1),
  whenTooFewRoutes: z.enum(WHEN_TOO_FEW_ROUTES).default("wait"),
};

const root = z.union([fields({ file }), fields({ credential: z.string().regex(/^[A-Za-z0-9._-]{1,100}$/) })], {
  error: "the root is either {file: PATH} or {credential: NAME} (a credential of systemd)",
});

/** Whether the key that seals the store survives a restart. */
const KEKS = ["persistent", "ephemeral"] as const;

export const configSchema = fields({
  node: nodeId,
  spiffeDomain: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/, "a trust domain is lower-case letters, digits, dots and dashes")
    .default(SPIFFE_DOMAIN_DEFAULT),
  dataDir: file,
  store: fields({
    root,
    nvFile: file.optional(),
    kek: z.enum(KEKS).default("persistent"),
    rewrapPeriod: durationMs(10 * SECOND_MS, 24 * HOUR_MS).default(NODE_DEFAULTS.rewrapPeriodMs),
    discardRemoved: z.boolean().default(NODE_DEFAULTS.discardRemoved),
  }),
  kx: fields({ listen, tls, peers: z.record(z.string(), listen) }),
  etsi014: fields({ listen, tls, perSae: perSae.prefault({}) }).optional(),
  operator: fields({ listen: listen.prefault(OPERATOR_LISTEN_DEFAULT), socket: file.optional() }).prefault({}),
  tamper: fields({ file, activeValue: z.string().min(1).max(64) }).optional(),
  links: z.array(link).max(ADVERT_LINKS_MAX),
  saes: z
    .array(fields({ id: saeId, node: nodeId }))
    .max(10_000)
    .default([]),
  pairs: z
    .array(fields({ between: z.tuple([saeId, saeId]), class: keyClass.default(parseKeyClass("default")) }))
    .max(100_000)
    .default([]),
  supply: supply.prefault({}),
  preEstablishment: fields({
    ...policy,
    pools: z
      .array(fields({ remote: nodeId, class: keyClass.default(parseKeyClass("default")), ...policy }))
      .max(10_000)
      .default([]),
  }).prefault({}),
  audit: fields({
    folder: file.optional(),
    fileMax: sizeBytes(KIB, KIB ** 3).default(16 * KIB ** 2),
    onFailure: z.enum(["continue", "stop-supply"]).default("continue"),
  }).prefault({}),
  log: fields({ level: z.enum(LOG_LEVELS).default("info") }).prefault({}),
});

export type ConfigFields = z.output<typeof configSchema>;
