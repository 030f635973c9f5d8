/** What a file is called, what it exports, how long it is, and how it cites. Each check lists what is wrong. */
import { bannedWords, linesMax, linesWanted } from "./floors.ts";
import type { SourceFile } from "./source-file.ts";

const isOurs = ({ path }: SourceFile) => /^(src|drivers|bench)\//.test(path);

/** "level-key-store", "createKeyRelay" and "LINES_MAX" as words; digits stay with the letters before them (base64). */
function wordsOf(name: string): readonly string[] {
  const words = name.match(/[A-Z]+(?![a-z])\d*|[A-Z]?[a-z]+[a-z0-9]*|\d+/g) ?? [];
  return words.map((word) => word.toLowerCase());
}

/** The better word for the first banned one in a name, if there is one; "utils" is no better than "util". */
function betterWord(name: string): { readonly word: string; readonly instead: string } | undefined {
  for (const word of wordsOf(name)) {
    for (const banned of [word, word.replace(/s$/, "")]) {
      const instead = Object.hasOwn(bannedWords, banned) ? bannedWords[banned] : undefined;
      if (instead !== undefined) return { word, instead };
    }
  }
  return undefined;
}

/** Words that say nothing, in paths and in the names of what is exported. */
export function checkWords(files: readonly SourceFile[]): readonly string[] {
  return files.filter(isOurs).flatMap(({ path, exports }) => {
    // An API's table of handlers is what its standard and its framework call it.
    const isHandlers = path.endsWith("/handlers.ts");
    const isBad = (name: string) => {
      const found = betterWord(name);
      return found === undefined || (isHandlers && found.word === "handlers") ? undefined : found;
    };
    const inPath = isBad(path.replace(/^[^/]+\//, ""));
    return [
      ...(inPath === undefined ? [] : [`${path}: "${inPath.word}" says nothing; say ${inPath.instead}`]),
      ...exports.flatMap(({ name, line }) => {
        const found = isBad(name);
        if (found !== undefined)
          return [`${path}:${line}: ${name}: "${found.word}" says nothing; say ${found.instead}`];
        if (/^I[A-Z][a-z]/.test(name))
          return [`${path}:${line}: ${name}: an interface has no I in front; say what it is`];
        if (name.startsWith("_"))
          return [`${path}:${line}: ${name}: no underscore in front; do not export what is private`];
        return [];
      }),
    ];
  });
}

/** File names are kebab-case. */
export function checkFileNames(files: readonly SourceFile[]): readonly string[] {
  return files
    .filter(({ path }) => !/^([a-z0-9-]+\/)*[a-z0-9-]+(\.[a-z0-9-]+)?\.ts$/.test(path))
    .map(({ path }) => `${path}: file names are kebab-case, as in key-relay.ts`);
}

/** Files that define nothing; with them, an import no longer says where a thing is defined, and circles close. */
export function checkReExports(files: readonly SourceFile[]): readonly string[] {
  return files
    .filter((file) => isOurs(file) && file.isOnlyReExports)
    .map(({ path }) => `${path}: only passes on what others define; import from the file that defines`);
}

export function checkLengths(files: readonly SourceFile[]): readonly string[] {
  return files
    .filter((file) => isOurs(file) && file.lines > linesMax)
    .map(({ path, lines }) => `${path}: ${lines} lines, at most ${linesMax}; split it by a noun, not by a number`);
}

/** Worth a look, no failure. */
export function reportLengths(files: readonly SourceFile[]): readonly string[] {
  return files
    .filter(({ path, lines }) => lines > linesWanted && (lines <= linesMax || !/^(src|drivers)\//.test(path)))
    .map(({ path, lines }) => `${path}: ${lines} lines, ${linesWanted} wanted`);
}

/** Citations without version or clause, which a reader cannot look up. Worth a look, no failure: prose may name a document. */
export function reportCitations(files: readonly SourceFile[]): readonly string[] {
  return files.flatMap(({ path, comments }) =>
    comments().flatMap(({ text, line }) => {
      const citations: readonly string[] = text.match(/ETSI GS QKD \d{3}((?!ETSI GS QKD).)*/g) ?? [];
      return citations
        .filter((part) => !/V\d+\.\d+\.\d+/.test(part) || !/\b(clause|annex|table|figure)s? /i.test(part))
        .map((part) => `${path}:${line}: "${part.slice(0, 15)}" without version and clause (V1.1.1, clause 6.1)`);
    }),
  );
}
