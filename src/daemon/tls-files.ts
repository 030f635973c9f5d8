/** Certificates and private keys as files: read, and refused where a start with them would only fail later. */
import { X509Certificate, createPrivateKey } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";

import { checkOwnCertificate } from "../io/peer-identity.ts";
import { sentenceOf } from "../model/errors.ts";
import type { WallMs } from "../runtime/clock.ts";
import type { DaemonConfig, TlsPaths } from "./config-file.ts";

const EVERYBODY_MAY = 0o007;

/** PEM texts. */
export interface TlsMaterial {
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
}

export interface DaemonTls {
  readonly kx: TlsMaterial;
  readonly etsi014: TlsMaterial | undefined;
}

/** @throws QkdError CONFIG_INVALID  naming the field, the file and the reason */
export async function readTlsFiles(config: DaemonConfig, now: WallMs): Promise<DaemonTls> {
  const kx = await readTls(config, "kx.tls", config.kx.tls);
  const etsi014 = config.etsi014 && (await readTls(config, "etsi014.tls", config.etsi014.tls));
  try {
    checkOwnCertificate(kx.cert, { self: config.node.node, spiffeDomain: config.spiffeDomain, now });
  } catch (failure) {
    throw config.wrong("kx.tls.cert", sentenceOf(failure));
  }
  return { kx, etsi014 };
}

async function readTls(config: DaemonConfig, field: string, paths: TlsPaths): Promise<TlsMaterial> {
  const read = async (part: keyof TlsPaths): Promise<Buffer> => {
    try {
      return await readPem(paths[part], part);
    } catch (failure) {
      throw config.wrong(`${field}.${part}`, `${paths[part]}: ${sentenceOf(failure)}`);
    }
  };
  const material = { ca: await read("ca"), cert: await read("cert"), key: await read("key") };
  if (!new X509Certificate(material.cert).checkPrivateKey(createPrivateKey(material.key))) {
    throw config.wrong(`${field}.key`, `${paths.key} is not the private key of the certificate ${paths.cert}`);
  }
  return material;
}

async function readPem(path: string, part: keyof TlsPaths): Promise<Buffer> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, "r");
    const { mode } = await handle.stat();
    if (part === "key" && (mode & EVERYBODY_MAY) !== 0) {
      throw new Error(`everybody may read this private key; run: chmod 0400 '${path}'`);
    }
    const pem = await handle.readFile();
    if (part === "key") createPrivateKey(pem);
    else new X509Certificate(pem);
    return pem;
  } catch (failure) {
    switch ((failure as NodeJS.ErrnoException).code) {
      case "ENOENT":
        throw new Error("there is no such file", { cause: failure });
      case "EACCES":
        throw new Error("this user may not read it", { cause: failure });
      default:
        throw failure;
    }
  } finally {
    await handle?.close();
  }
}
