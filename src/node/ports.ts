/** The border of a node: what is not here, no node can touch. The daemon brings real ports, the simulation its own. */
import type { DriverCatalog } from "../driver/driver-catalog.ts";
import type { DriverHost } from "../driver/qkd-driver.ts";
import type { QkdError } from "../model/errors.ts";
import type { KeyMaterial } from "../model/key-material.ts";
import type { PeerTransport } from "../peer/peer-transport.ts";
import type { AuditTrail } from "../runtime/audit-trail.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import type { MetricsRegistry } from "../runtime/metrics.ts";
import type { Random } from "../runtime/random.ts";
import type { RecordDatabase } from "../store/record-database.ts";
import type { SlotFile } from "../store/slot-file.ts";

export interface NodePorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
  readonly audit: AuditTrail;
  readonly database: RecordDatabase;
  readonly keyBagFile: SlotFile;
  /** Undefined where the sealing key is kept in memory only. */
  readonly nvFile: SlotFile | undefined;
  /** 32 bytes; the node keeps it. */
  readonly root: KeyMaterial;
  readonly transport: PeerTransport;
  readonly drivers: DriverCatalog;
  readonly driverHost: DriverHost;
  /** The store failed or an invariant broke: the process must end, with the store as it is. */
  readonly onFatal: (failure: QkdError | Error) => void;
}
