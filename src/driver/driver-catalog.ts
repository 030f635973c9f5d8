/** The drivers that were found, by name. */
import { QkdError } from "../model/errors.ts";
import { DRIVER_API_VERSION, type QkdDriver } from "./qkd-driver.ts";

export interface DriverCatalog {
  readonly names: readonly string[];
  /** @throws QkdError CONFIG_INVALID when there is none of that name; the message lists those that are */
  driver(name: string): QkdDriver;
}

/** @throws QkdError VERSION_MISMATCH for a driver made for another API; CONFIG_INVALID for two of one name */
export function createDriverCatalog(drivers: Iterable<QkdDriver>): DriverCatalog {
  const byName = new Map<string, QkdDriver>();
  for (const driver of drivers) {
    if (driver.apiVersion !== DRIVER_API_VERSION) {
      throw new QkdError(
        "VERSION_MISMATCH",
        `driver ${driver.name} is made for driver API ${String(driver.apiVersion)}, this daemon has ${DRIVER_API_VERSION}`,
        { driver: driver.name },
      );
    }
    if (byName.has(driver.name)) throw new QkdError("CONFIG_INVALID", `two drivers are named ${driver.name}`, {});
    byName.set(driver.name, driver);
  }
  const names = [...byName.keys()].sort();
  return {
    names,
    driver(name) {
      const driver = byName.get(name);
      if (driver !== undefined) return driver;
      throw new QkdError("CONFIG_INVALID", `there is no driver "${name}"; there are: ${names.join(", ")}`, {
        field: "driver",
      });
    },
  };
}
