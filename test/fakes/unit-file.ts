/** The unit file that is shipped, as a test reads it. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
/** Where the unit expects the clone. */
export const INSTALLED = "/opt/qkdnd";

const text = readFileSync(`${REPOSITORY}/systemd/qkdnd.service`, "utf8").replaceAll("\\\n", " ");

/** What stands behind `name=`, as words; of all lines with that name. */
export function unitWords(name: string): readonly string[] {
  const lines = text.split("\n").filter((line) => line.startsWith(`${name}=`));
  return lines.flatMap((line) => line.slice(name.length + 1).split(/\s+/)).filter((word) => word !== "");
}

/** The command that systemd runs, with this repository in the place of the installed clone. */
export function unitCommand(configFile: string): readonly string[] {
  const here = unitWords("ExecStart").map((word) => word.replace(INSTALLED, REPOSITORY));
  return here.map((word) => (word === "/etc/qkdnd/qkdnd.yaml" ? configFile : word));
}

/** What that command finds in its environment beside what systemd gives to all. */
export const nodeEnvironment: Readonly<Record<string, string>> = Object.fromEntries(
  unitWords("Environment").map((word) => [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)]),
);

/** The options of Node.js in that command. */
export const nodeFlags: readonly string[] = unitWords("ExecStart").filter(
  (word, at, words) => word.startsWith("--") && at < words.indexOf(`${INSTALLED}/src/daemon/main.ts`),
);
