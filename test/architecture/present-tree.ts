/** The TypeScript files of this project as they stand, for the checks of this folder. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, sep } from "node:path";
import { type SourceFile, readSourceFiles } from "./source-file.ts";

const root = dirname(dirname(import.meta.dirname));

/** Files that a tool writes keep no house rules. */
const isGenerated = (path: string) => path.startsWith("src/io/generated/") || path.endsWith(".d.ts");

export function readPresentTree(...folders: readonly string[]): readonly SourceFile[] {
  const paths = folders.flatMap((folder) => {
    const place = join(root, folder);
    const found = existsSync(place) ? readdirSync(place, { recursive: true, encoding: "utf8" }) : [];
    return found.map((path) => `${folder}/${path.split(sep).join("/")}`);
  });
  const own = paths.filter((path) => path.endsWith(".ts") && !isGenerated(path)).sort();
  return readSourceFiles(Object.fromEntries(own.map((path) => [path, readFileSync(join(root, path), "utf8")])));
}
