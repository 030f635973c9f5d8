/** The audit trail: who got, relayed, lost or destroyed which key, and who was turned away, for whoever asks later. */
import type { KeyClass, KeyId, LinkId, NodeId, RelayId, SaeId } from "../model/ids.ts";

/**
 * What is kept of each event. Ids, counts and names only: key material has no way here. `alike` counts events of the same
 * kind that were passed over since the last line: whoever can cause an event must not be able to fill the disk with it.
 */
interface AuditFacts {
  /** `configuration` is the SHA-256 of the configuration file, in hex: another one means that policy changed. */
  readonly start: { readonly version: string; readonly pid: number; readonly configuration: string };
  readonly stop: { readonly reason: string };
  /** Somebody could not prove who they are, or is nobody whom we talk to. */
  readonly "access-refused": {
    readonly door: "sae" | "peer";
    readonly from: string;
    readonly reason: string;
    readonly alike: number;
  };
  /** Allocated to the initiator, or given to the target: one line a request. */
  readonly "keys-supplied": {
    readonly role: "initiator" | "target";
    readonly initiator: SaeId;
    readonly target: SaeId;
    readonly count: number;
    readonly sizeBits: number;
    readonly ids: readonly KeyId[];
  };
  /** A known SAE asked for what it may not have, or what there is not. */
  readonly "supply-refused": {
    readonly role: "initiator" | "target";
    readonly initiator: SaeId;
    readonly target: SaeId;
    readonly reason: string;
    readonly alike: number;
  };
  readonly "relay-established": {
    readonly target: NodeId;
    readonly keyClass: KeyClass;
    readonly bytes: number;
    /** One for each share of the key. */
    readonly routes: readonly (readonly NodeId[])[];
  };
  readonly "relay-failed": {
    readonly target: NodeId;
    readonly keyClass: KeyClass;
    readonly reason: string;
    readonly atHop: NodeId | undefined;
    readonly alike: number;
  };
  /** What other nodes sent through this one, or to it. */
  readonly "relay-passed": {
    readonly role: "transit" | "destination";
    readonly relay: RelayId;
    readonly origin: NodeId;
    readonly target: NodeId;
    readonly bytes: number;
    readonly result: string;
  };
  /** Key of one link or pool that was given up, in bytes since the last such line. */
  readonly "key-lost": {
    readonly owner: string;
    readonly expired: number;
    readonly discarded: number;
    readonly burned: number;
    readonly burnedOpen: number;
  };
  /** Every key of this node was destroyed; `dataKeys` is how many pieces of stock there were. */
  readonly zeroized: { readonly cause: "operator" | "tamper"; readonly dataKeys: number; readonly tookMs: number };
  /** Own certificates were taken from their files anew, or were not, and why. */
  readonly "certificates-renewed": { readonly result: "ok" | "refused"; readonly reason: string | undefined };
  readonly drain: { readonly state: "draining" | "leaving" | "cancelled" };
  readonly rollback: { readonly link: LinkId; readonly journalSeen: number; readonly journalOnDisk: number };
}

export type AuditEvent = keyof AuditFacts;
export type AuditEntry = { readonly [Event in AuditEvent]: { readonly event: Event } & AuditFacts[Event] }[AuditEvent];

export interface AuditTrail {
  /** Takes an event; it is durable within a second. Never waits, never throws. */
  record(entry: AuditEntry): void;
  /** Why no key may be supplied now: events cannot be kept, and the operator wants none supplied unseen. */
  supplyStop(): string | undefined;
}
