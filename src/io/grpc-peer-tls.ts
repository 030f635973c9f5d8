/** Mutual TLS between nodes: version, groups and certificates, the same at both ends of a connection. */
import { constants } from "node:crypto";
import type { Socket } from "node:net";
import {
  type ConnectionOptions,
  type SecureContext,
  type SecureContextOptions,
  type TLSSocket,
  connect,
  createSecureContext,
} from "node:tls";

import { ChannelCredentials, credentials } from "@grpc/grpc-js";

import { QkdError, sentenceOf } from "../model/errors.ts";

/** PEM texts. The anchor signs the certificates of nodes, and of nobody else. */
export interface PeerTlsFiles {
  readonly ca: Buffer | string;
  readonly cert: Buffer | string;
  readonly key: Buffer | string;
}

/**
 * TLS 1.3 only, and a hybrid key exchange only: what is recorded today shall not be read with tomorrow's computer. No
 * tickets: a resumed connection would not show its certificate again.
 */
export function peerTlsOptions({ ca, cert, key }: PeerTlsFiles): SecureContextOptions {
  return {
    ca,
    cert,
    key,
    minVersion: "TLSv1.3",
    maxVersion: "TLSv1.3",
    ciphers: "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256",
    ecdhCurve: "X25519MLKEM768:SecP384r1MLKEM1024",
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}

/** @throws QkdError CONFIG_INVALID  the certificates are none, or do not fit, or TLS here is too old */
export function peerSecureContext(files: PeerTlsFiles): SecureContext {
  try {
    return createSecureContext(peerTlsOptions(files));
  } catch (failure) {
    throw new QkdError("CONFIG_INVALID", `TLS between nodes cannot start: ${sentenceOf(failure)}`, {}, failure);
  }
}

/** The other end, or its TLS, does not want us, or we do not want it: asking again will not help. */
export class TlsRefusal extends Error {}

export interface ChannelTlsParts {
  readonly options: ConnectionOptions;
  /** Told when a connection was refused, by either end. */
  readonly refused: (refusal: TlsRefusal) => void;
}

type SecureConnector = ReturnType<ChannelCredentials["_createSecureConnector"]>;

/**
 * Credentials of one channel that make its TLS connection themselves.
 *
 * Those of grpc-js 1.14.7 leave two things to be wished for: a channel that is closed while its handshake hangs keeps
 * the socket open (the other end need only stay silent), and whether a certificate was refused cannot be told. The
 * price is three members that grpc-js types, but marks with an underscore: the version is pinned, and the contract
 * suite of the transport shows whether they still fit.
 */
export class PeerChannelCredentials extends ChannelCredentials {
  readonly #parts: ChannelTlsParts;

  constructor(parts: ChannelTlsParts) {
    super();
    this.#parts = parts;
  }

  override _isSecure(): boolean {
    return true;
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other;
  }

  override _createSecureConnector(): SecureConnector {
    const { options, refused } = this.#parts;
    const open = new Set<Socket>();
    let destroyed = false;
    return {
      connect: async (tcp) => {
        if (destroyed) throw new Error("the channel is closed");
        const socket = connect({ ...options, socket: tcp });
        open.add(socket);
        socket.once("close", () => open.delete(socket));
        try {
          await serverSpoke(socket);
        } catch (failure) {
          socket.destroy();
          if (failure instanceof TlsRefusal) refused(failure);
          throw failure;
        }
        return { socket, secure: true };
      },
      waitForReady: () => Promise.resolve(),
      getCallCredentials: () => credentials.createEmpty(),
      destroy: () => {
        destroyed = true;
        for (const socket of open) socket.destroy();
      },
    };
  }
}

/**
 * Settles when the server has sent its first bytes: HTTP/2 SETTINGS, which it sends unasked.
 *
 * Not when our handshake is done: in TLS 1.3 that is before the server has looked at our certificate, and what it says
 * or does then would get lost in HTTP/2. Node.js servers say nothing, they close.
 */
function serverSpoke(socket: TLSSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    let secured = false;
    socket.once("secureConnect", () => (secured = true));
    socket.on("readable", function listen() {
      if (socket.readableLength === 0) return;
      socket.off("readable", listen);
      resolve();
    });
    const closed = (): void => {
      if (secured) reject(new TlsRefusal("closed the connection when it saw our certificate"));
      else reject(new Error("closed the connection during the TLS handshake"));
    };
    socket.once("end", closed);
    socket.once("close", closed);
    // Stays for the life of the socket: an error without a listener would end the process.
    socket.on("error", (failure: NodeJS.ErrnoException & { readonly reason?: string }) => {
      const isTransport = /^(ECONN|EPIPE|ETIMEDOUT|EHOST|ENET)/.test(failure.code ?? "");
      reject(isTransport ? failure : new TlsRefusal(failure.reason ?? failure.message, { cause: failure }));
    });
  });
}
