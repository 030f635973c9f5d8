/** What an SAE may ask for (KSA of ITU-T Y.3802): the interface that every application protocol is a face of. */
import type { KeyClass, KeyId, NodeId, SaeId } from "../model/ids.ts";
import type { KeyMaterial } from "../model/key-material.ts";

/** A key with its id. Whoever receives it owns the material and erases it after the answer is written. */
export interface SuppliedKey {
  readonly id: KeyId;
  readonly material: KeyMaterial;
}

/** Initiator: asked first for a key. Target: fetches it by id. ("Master" and "slave" in ETSI GS QKD 014 V1.1.1.) */
export interface SaePair {
  readonly initiator: SaeId;
  readonly target: SaeId;
}

/** Where the keys of an answer came from: told by the supply, for the metrics of the interface that asked. */
export interface ServedFrom {
  readonly source: "pool" | "on_demand";
  readonly keyClass: KeyClass;
}

export interface SupplyLimits {
  readonly keySizeDefaultBits: number;
  readonly keySizeMinBits: number;
  readonly keySizeMaxBits: number;
  readonly keysPerRequestMax: number;
}

export interface SupplyStatus extends SupplyLimits {
  readonly sourceNode: NodeId;
  readonly targetNode: NodeId;
  /** Whole keys of the default size that can be supplied now. */
  readonly storedKeys: number;
  readonly storedKeysMax: number;
}

export interface KeySupply {
  readonly limits: SupplyLimits;
  /**
   * @throws QkdError SAE_UNKNOWN      the target is not in the directory
   * @throws QkdError SAE_NOT_ALLOWED  the pair may not share keys
   */
  status(pair: SaePair): SupplyStatus;
  /**
   * Gives new keys to the initiator. No message is sent to another node where stock suffices; else one relay is tried
   * for all who wait, within the deadline.
   *
   * @param count     1 to `keysPerRequestMax`
   * @param sizeBits  a multiple of 8, `keySizeMinBits` to `keySizeMaxBits`
   * @returns `count` keys, each given once, ever; the caller owns and erases them
   * @throws QkdError REQUEST_INVALID  count or size out of range; facts: `field`, `value`, `min`, `max`. Nothing was spent
   * @throws QkdError SAE_UNKNOWN, SAE_NOT_ALLOWED  as in `status`. Nothing was spent
   * @throws QkdError KEY_SHORTAGE     stock and relay gave too few; facts `retryAfterMs`, and `reason` where
   *   no relay could be tried. Nothing was spent
   */
  encryptionKeys(
    request: {
      readonly pair: SaePair;
      readonly count: number;
      readonly sizeBits: number;
      /** Called before the keys are returned. */
      readonly served?: (from: ServedFrom) => void;
    },
    deadline: AbortSignal,
  ): Promise<readonly SuppliedKey[]>;
  /**
   * Gives the target's copy of keys that the initiator has received: all or none, each once, ever.
   *
   * @throws QkdError KEY_UNKNOWN      an id that names no key of ours, or a spent or expired one; fact `ids`. Nothing was spent
   * @throws QkdError KEY_FOREIGN      a key that was made for another pair; fact `ids`. Nothing was spent
   * @throws QkdError REQUEST_INVALID  no id, too many, or one twice. Nothing was spent
   * @throws QkdError SAE_UNKNOWN, SAE_NOT_ALLOWED  as in `status`. Nothing was spent
   */
  decryptionKeys(
    request: {
      readonly pair: SaePair;
      readonly ids: readonly KeyId[];
      /** Called before the keys are returned. */
      readonly served?: (from: ServedFrom) => void;
    },
    deadline: AbortSignal,
  ): Promise<readonly SuppliedKey[]>;
}
