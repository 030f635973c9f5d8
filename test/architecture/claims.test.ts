/** A claim in docs/ that names a test is worth as much as that test: so it has to be there. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";

const ROOT = dirname(dirname(import.meta.dirname));
/** `test/…/file.test.ts`: "a test", "another test" */
const NAMED = /`(test\/[\w/-]+\.test\.ts)`: ("[^"]+"(?:, "[^"]+")*)/g;

interface NamedTest {
  readonly file: string;
  readonly name: string;
}

function testsNamedIn(document: string): readonly NamedTest[] {
  return [...document.matchAll(NAMED)].flatMap(([, file, names]) =>
    [...names!.matchAll(/"([^"]+)"/g)].map(([, name]) => ({ file: file!, name: name! })),
  );
}

/** As it stands in the file, between any quotes: a name with a variable part is written with it. */
const isThere = ({ file, name }: NamedTest): boolean =>
  existsSync(join(ROOT, file)) &&
  ['"', "`", "'"].some((quote) => readFileSync(join(ROOT, file), "utf8").includes(quote + name + quote));

describe("claims", () => {
  test("in docs/ name tests that are there", () => {
    const documents = readdirSync(join(ROOT, "docs")).filter((name) => name.endsWith(".md"));
    const named = documents.flatMap((name) => testsNamedIn(readFileSync(join(ROOT, "docs", name), "utf8")));
    assert.ok(named.length >= 18, `${named.length} tests are named`);
    assert.deepEqual(
      named.filter((one) => !isThere(one)),
      [],
    );
  });

  test("that name a test which is gone are found", () => {
    const [gone] = testsNamedIn('`test/architecture/claims.test.ts`: "a test that nobody ' + 'wrote"');
    assert.equal(isThere(gone!), false);
  });
});
