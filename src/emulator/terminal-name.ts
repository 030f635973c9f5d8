/** Stable names for pseudo-terminals: symbolic links, renewed whenever a terminal comes back under another number. */
import { lstat, mkdir, readlink, rename, rm, symlink } from "node:fs/promises";
import { dirname } from "node:path";

/** Makes `path` point to `terminal`. @throws Error when there is something else than a symbolic link at `path` */
export async function nameTerminal(path: string, terminal: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const there = await lstat(path).catch(() => undefined);
  if (there !== undefined && !there.isSymbolicLink()) {
    throw new Error(`${path} is a file of its own: it is not replaced by the name of a terminal`);
  }
  const fresh = `${path}.${process.pid}.new`;
  await rm(fresh, { force: true });
  await symlink(terminal, fresh);
  await rename(fresh, path);
}

/** Takes the name away, unless somebody else has given it to another terminal meanwhile. */
export async function unnameTerminal(path: string, terminal: string): Promise<void> {
  const target = await readlink(path).catch(() => undefined);
  if (target === terminal) await rm(path, { force: true });
}
