/**
 * The device port (reference point Kq of ITU-T Y.3802): what a driver for QKD modules is, and what it may use.
 *
 * A driver lives in `drivers/<name>/index.ts` and default-exports a `QkdDriver`. Differences between equipment are data
 * (`KeySource`), never methods that answer "not supported".
 */
import type { QkdKeyId } from "../model/ids.ts";
import type { KeyMaterial } from "../model/key-material.ts";
import type { QkdKeyRunOfLength } from "../model/qkd-key-runs.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Random } from "../runtime/random.ts";
import type { Scope } from "../runtime/scope.ts";

/** Grows when this file changes its meaning; a driver of another version is refused by name and number. */
export const DRIVER_API_VERSION = 2;

/** The longest QKD-key a driver may give: a module that makes longer ones has them cut by its driver. */
export const QKD_KEY_BYTES_MAX = 65_536;

/**
 * Keys as a module gives them (QKD-keys of ITU-T Y.3803), many at once: modules give keys of 32 bytes by the hundred
 * thousand a second, so there is no object for each. Whoever receives a batch owns the material and erases it.
 * `KeyBatchBuilder` makes batches of single keys.
 */
export interface QkdKeyBatch {
  /** Which keys they are, at least one, in the order in which the module gave them. */
  readonly runs: readonly QkdKeyRunOfLength[];
  /** The id of the last one. */
  readonly last: QkdKeyId;
  /** Their bytes, joined in this order, and nothing else. */
  readonly material: KeyMaterial;
}

export interface QkdDriver<Config = unknown> {
  readonly apiVersion: typeof DRIVER_API_VERSION;
  /** The folder's name: <vendor>-<product>, or what it speaks. */
  readonly name: string;
  /** @throws QkdError CONFIG_INVALID, with the name of the field as fact `field` */
  parseConfig(raw: unknown): Config;
  /**
   * Connects to one module. Returns only when it has said who it is; `scope` closes it, and the driver closes `scope`
   * with a DEVICE_LOST reason when the module is lost: whoever opened it decides when to try again.
   *
   * @throws QkdError DEVICE_LOST       it does not answer within the driver's deadline
   * @throws QkdError VERSION_MISMATCH  it speaks another version; both are named
   */
  open(config: Config, host: DriverHost, scope: Scope): Promise<QkdModule>;
}

/** What a driver may use of the machine. Whatever is not here, a driver does not do. */
export interface DriverHost {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** @throws QkdError DEVICE_LOST when the line cannot be opened; facts name the path and the reason */
  openSerialPort(options: { readonly path: string; readonly baudRate: number }, scope: Scope): Promise<ByteChannel>;
}

/** A byte stream to a device. `readable` ends, or throws DEVICE_LOST, when the line hangs up. */
export interface ByteChannel {
  /** Each piece is valid until the next one is asked for; then it is overwritten, because it may hold key. */
  readonly readable: AsyncIterable<Uint8Array>;
  /** Resolves when the line took the bytes: whoever awaits it is slowed to the line's pace. */
  write(bytes: Uint8Array): Promise<void>;
}

export interface QkdModuleIdentity {
  readonly vendor: string;
  readonly model: string;
  readonly serialNumber: string;
}

export interface QkdModuleStatus {
  readonly state: "aligning" | "generating" | "faulty";
  /** Quantum bit error rate, 0 to 1. */
  readonly qber?: number;
  readonly secretKeyRateBps?: number;
  /** What the module says of its trouble. */
  readonly reason?: string;
}

/** What went wrong on the line, since the module was opened. All of it was survived. */
export interface QkdModuleFaults {
  /** Stretches of bytes that were no frame (noise, half a frame). */
  readonly garbageRuns: number;
  readonly crcErrors: number;
  /** QKD-keys that were refused: wrong length, repeated id. */
  readonly keysRefused: number;
}

export interface QkdModule {
  readonly identity: QkdModuleIdentity;
  readonly keySource: KeySource;
  status(): QkdModuleStatus;
  faults(): QkdModuleFaults;
}

/** The two shapes of today's equipment. */
export type KeySource = StreamKeySource | FetchKeySource;

/** Both modules of the link give the same keys with the same ids. */
export interface StreamKeySource {
  readonly kind: "stream";
  /**
   * Batches of keys as they come, each of at least one key, oldest first. **Asking for the next batch says that the one
   * before is stored**: only then is the module told that it may forget it. Ends when `signal` aborts; throws DEVICE_LOST.
   *
   * @param after  the last key that is stored already, so that a module which never heard of it does not give it again
   */
  keys(after: QkdKeyId | undefined, signal: AbortSignal): AsyncIterable<QkdKeyBatch>;
}

/** One end asks its module, the other end fetches by id (equipment with an ETSI GS QKD 014 face). */
export interface FetchKeySource {
  readonly kind: "fetch";
  next(countMax: number, signal: AbortSignal): Promise<QkdKeyBatch>;
  byId(ids: readonly QkdKeyId[], signal: AbortSignal): Promise<QkdKeyBatch>;
}
