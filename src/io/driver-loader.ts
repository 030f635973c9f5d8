/** Drivers as they lie in a folder: each `<name>/index.ts` there default-exports one. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { type DriverCatalog, createDriverCatalog } from "../driver/driver-catalog.ts";
import type { QkdDriver } from "../driver/qkd-driver.ts";
import { QkdError, sentenceOf } from "../model/errors.ts";

const ENTRY = "index.ts";

/**
 * Loads all drivers of `folder`, in the order of their names. An import is no sandbox: a driver runs with our rights.
 *
 * @throws QkdError CONFIG_INVALID    a driver cannot be loaded, or is not called like its folder
 * @throws QkdError VERSION_MISMATCH  it is made for another driver API
 */
export async function loadDrivers(folder: string): Promise<DriverCatalog> {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  return createDriverCatalog(await Promise.all(names.sort().map((name) => loadDriver(folder, name))));
}

async function loadDriver(folder: string, name: string): Promise<QkdDriver> {
  const path = join(folder, name, ENTRY);
  let driver: Partial<QkdDriver> | undefined;
  try {
    const module = (await import(pathToFileURL(path).href)) as { readonly default?: Partial<QkdDriver> };
    driver = module.default;
  } catch (cause) {
    throw refused(name, path, sentenceOf(cause), cause);
  }
  if (typeof driver !== "object") throw refused(name, path, "it has no default export");
  if (driver.name !== name) throw refused(name, path, `it calls itself "${driver.name}"; name it like its folder`);
  if (typeof driver.open !== "function" || typeof driver.parseConfig !== "function") {
    throw refused(name, path, "it lacks open or parseConfig");
  }
  return driver as QkdDriver;
}

function refused(driver: string, path: string, reason: string, cause?: unknown): QkdError {
  return new QkdError("CONFIG_INVALID", `the driver ${driver} cannot be loaded: ${reason}`, { driver, path }, cause);
}
