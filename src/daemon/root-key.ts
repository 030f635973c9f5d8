/** The root of the store's keys: 32 bytes from a file of the operator's, or from a credential of systemd. */
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";

import { sentenceOf } from "../model/errors.ts";
import { KeyMaterial } from "../model/key-material.ts";
import type { DaemonConfig } from "./config-file.ts";

const ROOT_BYTES = 32;
const OTHERS_MAY = 0o077;
const FILE_BYTES_MAX = 2 * ROOT_BYTES + 2; // in hex, with a line break

/**
 * @param credentialsFolder  $CREDENTIALS_DIRECTORY, which systemd sets
 * @returns 32 bytes, which the caller owns
 * @throws QkdError CONFIG_INVALID  there is none, others may read it, or it is not 32 bytes, raw or as 64 hex digits
 */
export async function readRoot(config: DaemonConfig, credentialsFolder: string | undefined): Promise<KeyMaterial> {
  const { root } = config;
  if (root.kind === "file") return readRootFile(root.path, config, { field: "store.root.file", ownerOnly: true });
  if (credentialsFolder === undefined) {
    const sentence =
      "$CREDENTIALS_DIRECTORY is not set: systemd sets it for units with LoadCredential=; or use {file: PATH}";
    throw config.wrong("store.root.credential", sentence);
  }
  // systemd shows credentials to the unit alone, and may do so by an access list, which looks like the group's right.
  const path = join(credentialsFolder, root.name);
  return readRootFile(path, config, { field: "store.root.credential", ownerOnly: false });
}

async function readRootFile(
  path: string,
  config: DaemonConfig,
  { field, ownerOnly }: { readonly field: string; readonly ownerOnly: boolean },
): Promise<KeyMaterial> {
  const bytes = new Uint8Array(new ArrayBuffer(FILE_BYTES_MAX + 1));
  let length = 0;
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, "r");
    const { mode } = await handle.stat();
    if (ownerOnly && (mode & OTHERS_MAY) !== 0) {
      throw new Error(`others may read it (mode ${octal(mode)}); run: chmod 0400 '${path}'`);
    }
    length = (await handle.read(bytes, 0, bytes.length, 0)).bytesRead;
    const root = rootOf(bytes.subarray(0, length));
    if (root === undefined) {
      throw new Error(
        "it is neither 32 bytes nor 64 hex digits; for a new node run: " +
          `(umask 077; head -c 32 /dev/urandom > '${path}')`,
      );
    }
    return root;
  } catch (failure) {
    throw config.wrong(field, `the root key ${path} cannot be used: ${sentenceOf(failure)}`);
  } finally {
    bytes.fill(0);
    await handle?.close();
  }
}

function rootOf(bytes: Uint8Array): KeyMaterial | undefined {
  if (bytes.length === ROOT_BYTES) return KeyMaterial.copyOf(bytes);
  let length = bytes.length;
  while (length > 0 && (bytes[length - 1] === 0x0a || bytes[length - 1] === 0x0d)) length -= 1;
  if (length !== 2 * ROOT_BYTES) return undefined;
  const root = KeyMaterial.allocate(ROOT_BYTES);
  let areDigits = true;
  root.expose((to) => {
    for (let at = 0; at < ROOT_BYTES; at++) {
      const [high, low] = [hexDigit(bytes[2 * at]!), hexDigit(bytes[2 * at + 1]!)];
      areDigits &&= high >= 0 && low >= 0;
      to[at] = (high << 4) | low;
    }
  });
  if (areDigits) return root;
  root.erase();
  return undefined;
}

/** @returns -1 for what is none; no string is made of it, because a string cannot be erased */
function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : -1;
}

const octal = (mode: number): string => (mode & 0o7777).toString(8).padStart(4, "0");
