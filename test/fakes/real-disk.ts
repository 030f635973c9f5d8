/** Folders on the machine's own disk for tests that need one. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface TestFolder {
  readonly path: string;
  remove(): Promise<void>;
}

export async function createTestFolder(): Promise<TestFolder> {
  const path = await mkdtemp(join(tmpdir(), "qkdnd-test-"));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}
