/** Who may import whom: floors, drivers, the outside world, circles, and files that nobody wants. Each check lists what is wrong. */
import {
  driverMayImport,
  driversImportedBy,
  entryPoints,
  floors,
  narrowed,
  outsideWorld,
  typesFromPackages,
  wiring,
} from "./floors.ts";
import type { ImportFact, SourceFile } from "./source-file.ts";

/** Where a file lives: a folder of src/, a driver, or elsewhere (tests, scripts). */
function homeOf(path: string): { readonly kind: "room" | "driver" | "elsewhere"; readonly name: string } {
  const [top, name = "", ...rest] = path.split("/");
  if (rest.length === 0 || (top !== "src" && top !== "drivers")) return { kind: "elsewhere", name: "" };
  return { kind: top === "src" ? "room" : "driver", name };
}

const floorOf = (room: string) => floors.findIndex((rooms) => rooms.includes(room));

const isOutside = (path: string) => homeOf(path).kind === "room" && outsideWorld.includes(homeOf(path).name);

/** Imports between our own folders. */
export function checkFloors(files: readonly SourceFile[]): readonly string[] {
  const ours = files.filter(({ path }) => /^(src|drivers)\//.test(path));
  const homeless = ours.filter(({ path }) => {
    const home = homeOf(path);
    return home.kind === "elsewhere" || (home.kind === "room" && floorOf(home.name) < 0);
  });
  return [
    ...homeless.map(({ path }) => `${path}: belongs to no floor; move it, or give its folder one in floors.ts`),
    ...ours.flatMap(({ path, imports }) =>
      imports.flatMap(({ target, line }) => {
        const reason = target === undefined ? undefined : refusalOf(path, target);
        return reason === undefined ? [] : [`${path}:${line} -> ${target}: ${reason}`];
      }),
    ),
  ];
}

function refusalOf(path: string, target: string): string | undefined {
  const from = homeOf(path);
  const to = homeOf(target);
  if (from.kind === to.kind && from.name === to.name) return undefined;
  if (to.kind === "elsewhere") {
    // A program may read package.json, say for its version.
    return isOutside(path) && target.endsWith(".json") ? undefined : "what runs may not need what only tests or builds";
  }
  if (from.kind === "driver") {
    if (to.kind === "room" && driverMayImport.includes(to.name)) return undefined;
    return `a driver imports its own folder and src/{${driverMayImport.join(",")}} only; ask DriverHost for more`;
  }
  if (to.kind === "driver") {
    if (driversImportedBy[from.name]?.includes(to.name)) return undefined;
    return "drivers are found by the driver loader; nothing imports one";
  }
  const allowed = narrowed[from.name];
  if (allowed !== undefined && !allowed.includes(to.name)) {
    return `${from.name} imports {${allowed.join(",")}} only; src/daemon/real-ports.ts is where it meets the rest`;
  }
  if (floorOf(to.name) < floorOf(from.name)) return undefined;
  const direction = floorOf(to.name) === floorOf(from.name) ? "sideways" : "upwards";
  return `${direction}; take a function at construction instead, given by node/trusted-node.ts`;
}

/** Chance and threads inside node:crypto: the first would escape the seed of a simulation, the second its order. */
const impureCrypto: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ["randomBytes", "randomFill", "randomFillSync", "randomInt", "randomUUID", "getRandomValues"].map((name) => [
      name,
      "use Random",
    ]),
  ),
  ...Object.fromEntries(
    ["generateKey", "generateKeyPair", "generateKeyPairSync", "generateKeySync", "generatePrime"].map((name) => [
      name,
      "use Random for the key",
    ]),
  ),
  ...Object.fromEntries(
    ["subtle", "webcrypto", "hkdf", "pbkdf2", "scrypt", "argon2"].map((name) => [
      name,
      "use the synchronous functions",
    ]),
  ),
};

/** Imports of node:* modules and npm packages. */
export function checkPackages(files: readonly SourceFile[]): readonly string[] {
  const inner = files.filter(({ path }) => /^(src|drivers)\//.test(path) && !isOutside(path));
  return inner.flatMap(({ path, imports }) =>
    imports.flatMap((fact) => {
      const reason = packageRefusal(path, fact);
      return reason === undefined ? [] : [`${path}:${fact.line} -> ${fact.specifier}: ${reason}`];
    }),
  );
}

function packageRefusal(path: string, { specifier, target, isTypeOnly, names }: ImportFact): string | undefined {
  if (target !== undefined) return undefined;
  if (specifier === "node:crypto") {
    if (isTypeOnly) return undefined;
    const impure = names.find((name) => name in impureCrypto);
    if (impure !== undefined) return `${impure}; ${impureCrypto[impure]}`;
    const isWhole = names.some((name) => name === "*" || name === "default");
    return isWhole ? "import its functions by name, so that it shows which are used" : undefined;
  }
  const { kind, name } = homeOf(path);
  if (isTypeOnly && kind === "room" && typesFromPackages[name]?.includes(specifier)) return undefined;
  return `only src/{${outsideWorld.join(",")}} know the outside world; make it a port, or DriverHost's for a driver`;
}

/** Files that import each other in a circle, also by types alone: neither can then be read first. */
export function checkCircles(files: readonly SourceFile[]): readonly string[] {
  const targets = new Map(
    files.map(({ path, imports }) => [path, imports.flatMap(({ target }) => (target === undefined ? [] : [target]))]),
  );
  const finished = new Set<string>();
  const circles: string[] = [];
  const walk = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) {
      circles.push(
        `${[...trail.slice(start), path].join(" -> ")}: a circle; move what both need into a file of its own`,
      );
      return;
    }
    if (finished.has(path)) return;
    for (const target of targets.get(path) ?? []) walk(target, [...trail, path]);
    finished.add(path);
  };
  for (const path of targets.keys()) walk(path, []);
  return circles;
}

/** Files of src/ and drivers/ that nothing there imports; what only its tests import is dead, too. */
export function checkOrphans(files: readonly SourceFile[]): readonly string[] {
  const ours = files.filter(({ path }) => homeOf(path).kind !== "elsewhere");
  const wanted = new Set(ours.flatMap(({ imports }) => imports.map(({ target }) => target)));
  return ours
    .map(({ path }) => path)
    .filter((path) => !wanted.has(path) && !entryPoints.some((entry) => entry.test(path)))
    .map((path) => `${path}: nothing but tests imports it; use it, delete it, or list it in entryPoints`);
}

/** Whether all is there that makes one node out of the rooms; before that, rooms wait for whom they are for. */
export function isWired(files: readonly SourceFile[]): boolean {
  return wiring.every((path) => files.some((file) => file.path === path));
}
