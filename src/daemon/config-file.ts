/** Reads a configuration file: YAML, checked as a whole, so that a start fails before anything is opened. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { z } from "zod";

import type { SaeLimits } from "../api/etsi014/sae-limits.ts";
import type { DriverCatalog } from "../driver/driver-catalog.ts";
import type { LogLevel } from "../io/json-logger.ts";
import { LINK_LIMITS } from "../link/link-parts.ts";
import { QkdError, isQkdError, sentenceOf } from "../model/errors.ts";
import { type NodeId, parseNodeId } from "../model/ids.ts";
import { type NodeConfig, checkNodeConfig } from "../node/config.ts";
import { type ConfigProblem, configInvalid, fieldPath } from "./config-problem.ts";
import { type ConfigFields, type HostPort, configSchema } from "./config-schema.ts";
import { type ConfigText, type FieldPath, parseConfigText } from "./config-text.ts";

/** Paths of PEM files. */
export interface TlsPaths {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** Where the root of the store's keys comes from. */
export type RootSource =
  { readonly kind: "file"; readonly path: string } | { readonly kind: "credential"; readonly name: string };

/** All that one daemon is told; paths are absolute. */
export interface DaemonConfig {
  readonly file: string;
  readonly node: NodeConfig;
  readonly spiffeDomain: string;
  readonly dataDir: string;
  readonly root: RootSource;
  readonly nvFile: string;
  /** "ephemeral": nothing is kept in `nvFile`, and a start burns the stock of the last life. */
  readonly kek: "persistent" | "ephemeral";
  readonly kx: { readonly listen: HostPort; readonly tls: TlsPaths; readonly peers: ReadonlyMap<NodeId, string> };
  readonly etsi014: { readonly listen: HostPort; readonly tls: TlsPaths; readonly perSae: SaeLimits } | undefined;
  /** The socket takes what changes the node: drain, zeroize. */
  readonly operator: { readonly listen: HostPort; readonly socket: string | undefined };
  readonly tamper: { readonly file: string; readonly activeValue: string } | undefined;
  readonly audit: {
    readonly folder: string;
    readonly fileBytesMax: number;
    readonly onFailure: "continue" | "stop-supply";
  };
  readonly logLevel: LogLevel;
  /** SHA-256 of the file's text, in hex: another one means another configuration. */
  readonly digest: string;
  /** An error of this file at a field of it, for those who find out later that a value cannot be used. */
  wrong(field: string, sentence: string): QkdError;
}

/**
 * @throws QkdError CONFIG_INVALID  with all that is wrong, one line each; facts `file`, `line` and `field` of the first
 */
export async function readConfigFile(path: string, drivers: DriverCatalog): Promise<DaemonConfig> {
  const file = resolve(path);
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code === "ENOENT" ? "there is no such file" : sentenceOf(cause);
    const remedy = "docs/qkdnd.example.yaml is one to begin with";
    throw new QkdError("CONFIG_INVALID", `${file}: ${reason}; ${remedy}`, { file, line: 0, field: "" }, cause);
  }
  return parseConfig(text, file, drivers);
}

/** @param file  its absolute path: for messages, and relative paths in it are relative to its folder */
export function parseConfig(text: string, file: string, drivers: DriverCatalog): DaemonConfig {
  const source = parseConfigText(text, file);
  const parsed = configSchema.safeParse(source.data);
  if (!parsed.success) throw configInvalid(source, parsed.error.issues.flatMap(problemsOf));
  const config = { ...daemonConfig(parsed.data, source), digest: createHash("sha256").update(text).digest("hex") };
  const problems = [...peerProblems(config), ...driverProblems(config, drivers), ...nodeProblems(config)];
  if (problems.length > 0) throw configInvalid(source, problems);
  return config;
}

function problemsOf(issue: z.core.$ZodIssue): readonly ConfigProblem[] {
  const path = issue.path.filter((part) => typeof part !== "symbol");
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((name) => ({ path: [...path, name], sentence: issue.message, atName: true }));
  }
  if (issue.code === "invalid_type" && issue.message.endsWith("received undefined")) {
    return [{ path, sentence: `is missing; it is ${article(issue.expected)}` }];
  }
  return [{ path, sentence: issue.message.replace(/^Invalid input: /, "") }];
}

const article = (type: string): string => `${/^[aeiou]/.test(type) ? "an" : "a"} ${type}`;

function daemonConfig(fields: ConfigFields, source: ConfigText): Omit<DaemonConfig, "digest"> {
  const folder = dirname(source.file);
  const at = (path: string): string => resolve(folder, path);
  const tlsAt = (tls: TlsPaths): TlsPaths => ({ ca: at(tls.ca), cert: at(tls.cert), key: at(tls.key) });
  const dataDir = at(fields.dataDir);
  const { root, nvFile, kek } = fields.store;
  return {
    file: source.file,
    node: nodeConfig(fields),
    spiffeDomain: fields.spiffeDomain,
    dataDir,
    root: "file" in root ? { kind: "file", path: at(root.file) } : { kind: "credential", name: root.credential },
    nvFile: nvFile === undefined ? `${dataDir}.nv` : at(nvFile),
    kek,
    kx: { listen: fields.kx.listen, tls: tlsAt(fields.kx.tls), peers: peersOf(fields, source) },
    etsi014: fields.etsi014 && { ...fields.etsi014, tls: tlsAt(fields.etsi014.tls) },
    operator: {
      listen: fields.operator.listen,
      socket: fields.operator.socket === undefined ? undefined : at(fields.operator.socket),
    },
    tamper: fields.tamper && { ...fields.tamper, file: at(fields.tamper.file) },
    audit: {
      folder: fields.audit.folder === undefined ? join(dataDir, "audit") : at(fields.audit.folder),
      fileBytesMax: fields.audit.fileMax,
      onFailure: fields.audit.onFailure,
    },
    logLevel: fields.log.level,
    wrong: (field, sentence) => configInvalid(source, [{ path: fieldPath(field), sentence }]),
  };
}

function nodeConfig(fields: ConfigFields): NodeConfig {
  const { keyLifetime, keyFetchGrace, inboundPoolMax, onDemandDeadline, ...supply } = fields.supply;
  const { pools, ...policy } = fields.preEstablishment;
  return {
    node: fields.node,
    links: fields.links.map(({ neighbour, driver, module, limits }) => ({
      neighbour,
      driver,
      driverConfig: module ?? {},
      limits: {
        ...LINK_LIMITS,
        segmentBytes: limits.segmentBytes,
        segmentAgeMaxMs: limits.segmentAgeMax,
        unmatchedAgeMaxMs: limits.unmatchedAgeMax,
        quarantineBytesMax: limits.quarantineMax,
        stockBytesMax: limits.stockMax,
        keyLifetimeMs: limits.keyLifetime,
      },
    })),
    saes: fields.saes,
    pairs: fields.pairs.map(({ between, class: keyClass }) => ({ between, keyClass })),
    supply: { ...supply, onDemandDeadlineMs: onDemandDeadline },
    policy: policyOf(policy),
    policies: pools.map(({ remote, class: keyClass, ...others }) => ({ ...policyOf(others), remote, keyClass })),
    keyLifetimeMs: keyLifetime,
    keyFetchGraceMs: keyFetchGrace,
    inboundPoolBytesMax: inboundPoolMax,
    rewrapPeriodMs: fields.store.rewrapPeriod,
    discardRemoved: fields.store.discardRemoved,
  };
}

function policyOf(fields: Omit<ConfigFields["preEstablishment"], "pools">): NodeConfig["policy"] {
  const { disjointPaths, whenTooFewRoutes, ...policy } = fields;
  return disjointPaths === 1 ? policy : { ...policy, split: { disjointPaths, whenTooFewRoutes } };
}

function peersOf({ kx }: ConfigFields, source: ConfigText): ReadonlyMap<NodeId, string> {
  return new Map(
    Object.entries(kx.peers).map(([name, { host, port }]) => {
      const path: FieldPath = ["kx", "peers", name];
      try {
        if (port === 0) throw new Error("0 is no port to call; name the one that this neighbour listens on");
        return [parseNodeId(name), `${host.includes(":") ? `[${host}]` : host}:${port}`];
      } catch (failure) {
        throw configInvalid(source, [{ path, sentence: sentenceOf(failure), atName: port !== 0 }]);
      }
    }),
  );
}

function peerProblems({ node, kx }: DaemonConfig): readonly ConfigProblem[] {
  const strangers = node.links.filter(({ neighbour }) => !kx.peers.has(neighbour));
  return strangers.map(({ neighbour }) => ({
    path: ["kx", "peers"],
    sentence: `the address of ${neighbour} is missing, to which there is a link; add "${neighbour}: HOST:PORT"`,
  }));
}

function driverProblems({ node }: DaemonConfig, drivers: DriverCatalog): readonly ConfigProblem[] {
  return node.links.flatMap(({ driver, driverConfig }, at) => {
    if (!drivers.names.includes(driver)) {
      const sentence = `there is no driver "${driver}"; there are: ${drivers.names.join(", ")}`;
      return [{ path: ["links", at, "driver"], sentence }];
    }
    return refusedBy(
      () => drivers.driver(driver).parseConfig(driverConfig),
      (field) => ["links", at, "module", ...fieldPath(field)],
    );
  });
}

function nodeProblems({ node }: DaemonConfig): readonly ConfigProblem[] {
  return refusedBy(() => checkNodeConfig(node), fieldPath);
}

/** Checks of other rooms throw at the first thing that is wrong. */
function refusedBy(check: () => void, pathOf: (field: string) => FieldPath): readonly ConfigProblem[] {
  try {
    check();
    return [];
  } catch (failure) {
    if (!isQkdError(failure, "CONFIG_INVALID")) throw failure;
    const field = String(failure.facts["field"] ?? "");
    const prefix = `${field}: `;
    const sentence = failure.message.startsWith(prefix) ? failure.message.slice(prefix.length) : failure.message;
    return [{ path: pathOf(field), sentence }];
  }
}
