/** Own certificates, taken from their files anew when these change, or at a word; what cannot be used changes nothing. */
import { stat } from "node:fs/promises";

import { peerSecureContext } from "../io/grpc-peer-tls.ts";
import type { GrpcPeerTransport } from "../io/grpc-peer-transport.ts";
import type { SaeServer } from "../io/https-server.ts";
import { sentenceOf } from "../model/errors.ts";
import type { AuditTrail } from "../runtime/audit-trail.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Scope } from "../runtime/scope.ts";
import type { DaemonConfig } from "./config-file.ts";
import { type DaemonTls, readTlsFiles } from "./tls-files.ts";

const LOOK_MS = 2_000;

export interface OwnCertificatesParts {
  readonly config: DaemonConfig;
  readonly tls: DaemonTls;
  readonly transport: Pick<GrpcPeerTransport, "renewCertificates">;
  /** Undefined where there is none, or none yet. */
  readonly saeServer: () => Pick<SaeServer, "renewTls"> | undefined;
  readonly audit: AuditTrail;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface OwnCertificates {
  /** Those in use. */
  tls(): DaemonTls;
  /** Why the files cannot be used as they are now. */
  trouble(): string | undefined;
  /** Takes the files as they are. Connections that there are go on with what they began with. */
  renew(): Promise<void>;
}

export async function watchOwnCertificates(parts: OwnCertificatesParts, scope: Scope): Promise<OwnCertificates> {
  const own = new WatchedCertificates(parts);
  await own.begin();
  scope.spawn("own certificates", async (signal) => {
    while (!signal.aborted) {
      await parts.clock.sleep(LOOK_MS, signal).catch(() => undefined);
      if (!signal.aborted) await own.look();
    }
  });
  return own;
}

class WatchedCertificates implements OwnCertificates {
  readonly #parts: OwnCertificatesParts;
  #tls: DaemonTls;
  #trouble: string | undefined;
  /** Of the files when they were taken last, and at the last look. */
  #taken = "";
  #seen = "";

  constructor(parts: OwnCertificatesParts) {
    this.#parts = parts;
    this.#tls = parts.tls;
  }

  tls(): DaemonTls {
    return this.#tls;
  }

  trouble(): string | undefined {
    return this.#trouble;
  }

  async begin(): Promise<void> {
    this.#taken = this.#seen = await this.#state();
  }

  /** Certificate and key are two files: they are taken when none of them has changed between two looks. */
  async look(): Promise<void> {
    const now = await this.#state();
    const isSettled = now === this.#seen;
    this.#seen = now;
    if (now !== this.#taken && isSettled) await this.renew();
  }

  async renew(): Promise<void> {
    const { config, transport, saeServer, audit, clock, log } = this.#parts;
    this.#taken = await this.#state();
    try {
      const tls = await readTlsFiles(config, clock.wall());
      peerSecureContext(tls.kx); // the SAEs' side is changed only when the peers' side can be
      if (tls.etsi014 !== undefined) saeServer()?.renewTls(tls.etsi014);
      transport.renewCertificates(tls.kx);
      this.#tls = tls;
      this.#trouble = undefined;
      log.info("own certificates renewed");
      audit.record({ event: "certificates-renewed", result: "ok", reason: undefined });
    } catch (failure) {
      const reason = sentenceOf(failure);
      this.#trouble = reason;
      log.error("own certificates not renewed, the old ones stay", { reason });
      audit.record({ event: "certificates-renewed", result: "refused", reason });
    }
  }

  async #state(): Promise<string> {
    const { kx, etsi014 } = this.#parts.config;
    const paths = [kx.tls, ...(etsi014 === undefined ? [] : [etsi014.tls])].flatMap(({ ca, cert, key }) => [
      ca,
      cert,
      key,
    ]);
    const states = await Promise.all(
      paths.map(async (path) => {
        const found = await stat(path).catch(() => undefined);
        return found === undefined ? "none" : `${found.ino} ${found.size} ${found.mtimeMs}`;
      }),
    );
    return states.join("\n");
  }
}
