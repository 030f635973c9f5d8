/** What the emulator is to play: links, each with two modules. */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { parse as parseYaml } from "yaml";
import { z } from "zod";
import { BLOCK_BYTES_MAX } from "../../drivers/serial-frame/messages.ts";
import { QkdError, sentenceOf } from "../model/errors.ts";
import { BITS_PER_BYTE } from "../model/units.ts";
import { LINK_PROFILE_NAMES, LINK_PROFILES } from "./link-profiles.ts";
import { EQUIPMENT, EQUIPMENT_NAMES, type LinkRate, rateOver } from "./rate-model.ts";

export interface EmulatedLinkConfig {
  readonly id: string;
  /** The names of the two modules' terminals, as absolute paths. */
  readonly a: string;
  readonly b: string;
  readonly rateBps: number;
  /** Absent where only a rate was given. */
  readonly qber: number | undefined;
  readonly blockBytes: number;
  readonly keptBytesMax: number;
  /** The same seed gives the same key again: for tests only. */
  readonly seed: string | undefined;
}

export interface EmulatorConfig {
  readonly links: readonly EmulatedLinkConfig[];
  /** Where `qkd-emulator ctl` finds this emulator. */
  readonly control: string | undefined;
}

const RATE_BPS_MAX = 1e9;
const LENGTH_KM_MAX = 1000;
const EQUIPMENT_DEFAULT = "t12-fit";
const KEPT_BYTES_DEFAULT = 1 << 22;
const KEPT_BYTES_MAX = 1 << 28;
const BLOCKS_PER_SECOND = 4;
const BLOCK_BYTES_SMALL = 256;
const BLOCK_BYTES_LARGE = 32_768;

const linkSchema = z.strictObject({
  id: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, "1 to 100 letters, digits, dots, dashes"),
  a: z.string().min(1),
  b: z.string().min(1),
  profile: z.enum(LINK_PROFILE_NAMES).optional(),
  lengthKm: z.number().min(0).max(LENGTH_KM_MAX).optional(),
  equipment: z.enum(EQUIPMENT_NAMES).optional(),
  rateBps: z.number().positive().max(RATE_BPS_MAX).optional(),
  blockBytes: z.int().min(1).max(BLOCK_BYTES_MAX).optional(),
  keptBytes: z.int().min(BLOCK_BYTES_MAX).max(KEPT_BYTES_MAX).default(KEPT_BYTES_DEFAULT),
  seed: z.string().min(1).optional(),
});

const emulatorSchema = z.strictObject({
  links: z.array(linkSchema).min(1),
  control: z.string().min(1).optional(),
});

/** One link as a person describes it, in a file or on the command line. */
export type LinkDescription = z.input<typeof linkSchema>;

/** @throws QkdError CONFIG_INVALID naming each wrong field */
export function parseEmulatorConfig(raw: unknown): EmulatorConfig {
  const parsed = emulatorSchema.safeParse(raw);
  if (!parsed.success) {
    const sentences = parsed.error.issues.map(({ path, message }) => `${path.join(".") || "the file"}: ${message}`);
    throw new QkdError("CONFIG_INVALID", sentences.join("; "), { field: parsed.error.issues[0]!.path.join(".") });
  }
  const links = parsed.data.links.map(completed);
  mustDiffer(links.map(({ id }) => id));
  mustDiffer(links.flatMap(({ a, b }) => [a, b]));
  return { links, control: parsed.data.control };
}

/** @param path  of a YAML or JSON file */
export async function readEmulatorConfig(path: string): Promise<EmulatorConfig> {
  let raw: unknown;
  try {
    raw = parseYaml(await readFile(path, "utf8"));
  } catch (error) {
    throw new QkdError("CONFIG_INVALID", `${path}: ${sentenceOf(error)}`, { path });
  }
  return parseEmulatorConfig(raw);
}

function completed(link: z.output<typeof linkSchema>, index: number): EmulatedLinkConfig {
  const physics = physicsOf(link);
  const rateBps = link.rateBps ?? physics?.secretKeyRateBps;
  if (rateBps === undefined) {
    throw new QkdError("CONFIG_INVALID", `links.${index}: profile, lengthKm or rateBps says how much key there is`, {
      field: `links.${index}.lengthKm`,
    });
  }
  return {
    id: link.id,
    a: resolve(link.a),
    b: resolve(link.b),
    rateBps,
    qber: physics?.qber,
    blockBytes: link.blockBytes ?? blockBytesFor(rateBps),
    keptBytesMax: link.keptBytes,
    seed: link.seed,
  };
}

/** What is given beside a profile stands instead of what the profile says. */
function physicsOf(link: z.output<typeof linkSchema>): LinkRate | undefined {
  const profile = link.profile === undefined ? undefined : LINK_PROFILES[link.profile];
  const lengthKm = link.lengthKm ?? profile?.lengthKm;
  if (lengthKm === undefined) return undefined;
  return rateOver(EQUIPMENT[link.equipment ?? profile?.equipment ?? EQUIPMENT_DEFAULT], lengthKm);
}

/** Several blocks a second, but neither crumbs nor more than a serial line takes in one go. */
function blockBytesFor(rateBps: number): number {
  const bytes = 2 ** Math.floor(Math.log2(Math.max(1, rateBps / BITS_PER_BYTE / BLOCKS_PER_SECOND)));
  return Math.min(BLOCK_BYTES_LARGE, Math.max(BLOCK_BYTES_SMALL, bytes));
}

function mustDiffer(names: readonly string[]): void {
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new QkdError("CONFIG_INVALID", `"${twice}" is there twice`, { field: "links" });
}
