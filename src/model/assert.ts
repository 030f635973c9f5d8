/** Our own bugs: a broken invariant ends the process, because going on could use a pad twice. */

export class BrokenInvariant extends Error {
  override readonly name = "BrokenInvariant";
}

export function assert(condition: boolean, law: string): asserts condition {
  if (!condition) throw new BrokenInvariant(law);
}

/** Ends a switch over a tagged union: the compiler proves that nothing arrives here. */
export function unreachable(value: never): never {
  throw new BrokenInvariant(`unreachable: ${JSON.stringify(value)}`);
}
