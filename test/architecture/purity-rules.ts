/** Time, chance and the machine come in by the door: the globals that inner folders and drivers must not reach for. */
import { outsideWorld } from "./floors.ts";
import type { SourceFile } from "./source-file.ts";

/** The name as it is used, or its first part, and what to use instead. */
const banned: Readonly<Record<string, string>> = {
  Date: "use Clock.wall()",
  "Date.now": "use Clock.wall() for a date, Clock.monotonic() for a duration",
  "new Date": "use Clock.wall(); a WallMs is written as a date in src/io",
  "Math.random": "use Random.fraction()",
  setTimeout: "use Clock.sleep() or Clock.timeout()",
  setInterval: "use Scope.spawn() with a loop over Clock.sleep()",
  setImmediate: "use Clock.sleep()",
  queueMicrotask: "await, or Scope.spawn()",
  "AbortSignal.timeout": "use Clock.timeout()",
  performance: "use Clock.monotonic()",
  process: "take it as a part or a limit; src/daemon reads the process",
  console: "use Logger",
  crypto: "use Random, or the synchronous functions of node:crypto by name",
  fetch: "make it a port, or DriverHost's for a driver",
  globalThis: "take it as a part",
};

/** Pure uses of names that are banned otherwise. */
const harmless = new Set(["Date.UTC", "Date.parse", "Date.prototype"]);

const isInner = (path: string) =>
  /^(src|drivers)\//.test(path) && !outsideWorld.some((room) => path.startsWith(`src/${room}/`));

export function checkGlobals(files: readonly SourceFile[]): readonly string[] {
  return files
    .filter(({ path }) => isInner(path))
    .flatMap(({ path, uses }) =>
      uses.flatMap(({ name, line }) => {
        const instead = harmless.has(name) ? undefined : (lookUp(name) ?? lookUp(name.replace(/^new |\..*$/g, "")));
        return instead === undefined ? [] : [`${path}:${line}: ${name}; ${instead}`];
      }),
    );
}

/** Own fields only: "constructor" and its like are names in code, too. */
function lookUp(name: string): string | undefined {
  return Object.hasOwn(banned, name) ? banned[name] : undefined;
}

/** Two worlds in one process must not meet, so a module keeps no state. */
export function checkModuleState(files: readonly SourceFile[]): readonly string[] {
  return files
    .filter(({ path }) => isInner(path))
    .flatMap(({ path, moduleVariables }) =>
      moduleVariables.map(
        ({ name, line }) => `${path}:${line}: ${name} is state of a module; keep it in what open… returns`,
      ),
    );
}
