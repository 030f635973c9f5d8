/** The house, from the ground up: who may import whom. This list is the only one; the checks beside it read it. */

/** A folder under src/ may import from itself and from any lower floor; never sideways, never up. */
export const floors: readonly (readonly string[])[] = [
  ["model"],
  ["runtime"],
  ["driver", "store", "peer"],
  ["link", "topology"],
  ["relay"],
  ["supply"],
  ["pre-establishment", "api"],
  ["node", "io"],
  ["emulator", "live-view"],
  ["demo"],
  ["daemon"],
];

/** Folders that may use less than what lies below them: io fills in ports, and knows nothing of how a node works. */
export const narrowed: Readonly<Record<string, readonly string[]>> = {
  io: ["runtime", "driver", "peer", "store", "api", "model"],
};

/** What a driver, drivers/<name>/, may import of src/ beside its own folder. */
export const driverMayImport: readonly string[] = ["driver", "model", "runtime"];

/** Drivers that a folder under src/ may import: the emulator speaks the frames of the serial driver, from the other end. */
export const driversImportedBy: Readonly<Record<string, readonly string[]>> = { emulator: ["serial-frame"] };

/** The only folders that touch the machine: node:* modules, npm packages, clocks, chance, the process. */
export const outsideWorld: readonly string[] = ["io", "emulator", "demo", "daemon"];

/** npm packages of which an inner folder may import types. */
export const typesFromPackages: Readonly<Record<string, readonly string[]>> = { store: ["abstract-level"] };

/** Files that nothing imports, because a person, a script or the driver loader starts them. */
export const entryPoints: readonly RegExp[] = [
  /^src\/daemon\/(main|qkdctl)\.ts$/,
  /^src\/demo\/end-with-parent\.ts$/,
  /^src\/emulator\/main\.ts$/,
  /^drivers\/[^/]+\/index\.ts$/,
];

/** Once all of these stand, the house is wired: then a file that nothing imports is dead, and no longer unfinished. */
export const wiring: readonly string[] = [
  "src/daemon/main.ts",
  "src/daemon/qkdctl.ts",
  "src/emulator/main.ts",
  "src/node/trusted-node.ts",
];

export const linesWanted = 250;
export const linesMax = 400;

/** Words that say nothing as part of a name, and what to say instead. */
export const bannedWords: Readonly<Record<string, string>> = {
  base: "the kind it is: a port, a default, a template",
  common: "what its parts have in common: that is the name",
  core: "the thing itself, relay or pool or link",
  foo: "the thing it stands for",
  handler: "what it does: receiver, server, reply (handlers.ts of an API is allowed)",
  helper: "what it helps with, as a noun of the field",
  impl: "what sets it apart: level-key-store, grpc-peer-transport",
  info: "what it tells: status, facts, identity, stock",
  manager: "what it does: catalog, supervisor, scheduler, ledger, directory",
  misc: "one file for each thing",
  tmp: "what it holds until when",
  util: "the noun of what it works on: units, bytes, one-time-tag",
};
